#!lua
-- retry: puts a dead, cancelled, scheduled or retrying job at the end of its pending list, now, or lets it
--        wait at the gate.
-- KEYS 1 jobs, 2 runs, 3 active, 4 done, 5 dead, 6 keys, 7 keys-expiry, 8 limited, 9 groups, 10 waiting;
--      of the job's queue: 11 pending, 12 due, 13 wake
-- ARGV 1 id, 2 name of this call ('' = none), 3 the state that the job must be in (may be absent: any)
-- Returns NOTFOUND, MOVED <state> (it is in another one), STATE <state> (pending, active or completed: nothing
--         to do), KEY <id> (its idempotency key belongs to another job by now), or RETRIED (also to a call
--         that was sent again). Attempts and crashes of a dead or cancelled job start again from 0.
--@include now
--@include wake
--@include record
--@include moved event-of-call
--@include dedupe
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry

local jobs, runs, active, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local keys, expiry, pending, due = KEYS[6], KEYS[7], KEYS[11], KEYS[12]
local id, call, expected = ARGV[1], ARGV[2], ARGV[3]
local gate = { limited = KEYS[8], groups = KEYS[9], waiting = KEYS[10], time = now() }

local record = redis.call('HGET', jobs, id)
if not record or record == '[0]' then
  return 'NOTFOUND'
end
local run = redis.call('HGET', runs, id)
if has_event_of(run, 'retried', call) then
  return 'RETRIED'
end
local moved = moved_from(expected, active, due, id, run)
if moved then
  return moved
end
local attempts, crashes, state, detail, events = split_run(run)
-- A worker that holds a cancelled job is about to discard it, and finds it alive then.
if redis.call('HEXISTS', active, id) == 1 and state ~= 'cancelled' then
  return 'STATE active'
end
local time, comes = gate.time, true
-- Fails where the list is a key of another type, before anything is written.
redis.call('LLEN', pending)
local event = event_of(time, 'retried', call)

if state == 'dead' or state == 'cancelled' then
  local options = options_of(record)
  local key = options.key
  if options.dedupe or (key and tonumber(redis.call('ZSCORE', expiry, key) or 0) > time) then
    local owner = redis.call('HGET', keys, key)
    if options.dedupe then
      owner = unfinished(jobs, runs, keys, key)
    end
    if owner and owner ~= id then
      return 'KEY ' .. owner
    end
    redis.call('HSET', keys, key, id)
    redis.call('ZADD', expiry, 'NX', time, key)
  end
  redis.call('ZREM', state == 'dead' and dead or done, id)
  redis.call('HSET', runs, id, join_run(0, 0, 'pending', 'null', events, event))
  -- A cancelled job whose id still stands in the list only comes back to life; a second entry would run it
  -- twice.
  comes = not (state == 'cancelled' and detail == '1')
  if comes and options.group then
    register(gate, id, queue_of(record), nil, options.group)
  end
elseif state == 'completed' then
  return 'STATE completed'
elseif redis.call('ZREM', due, id) == 1 then
  redis.call('HSET', runs, id, join_run(attempts, crashes, 'pending', 'null', events, event))
else
  return 'STATE pending'
end
if comes then
  enter_or_wait(gate, id, true, pending, KEYS[13])
end
wake(KEYS[13])
return 'RETRIED'
