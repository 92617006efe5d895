#!lua flags=allow-oom
-- cancel: a job that has not started is cancelled at once; an active one is asked for, and its worker aborts it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 done, 5 cancels, 6 keys, 7 waits, 8 notes,
--      9 limited, 10 groups, 11 waiting, 12 due (of the job's queue)
-- ARGV 1 tag, 2 id, 3 keep (ms)
-- Returns NOTFOUND, FINAL <state>, REQUESTED (active), or CANCELLED
--@include now
--@include record
--@include finish
--@include rate
--@include gate
--@include withdraw

local jobs, runs, active, done, cancels = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local keys, waits, notes, due = KEYS[6], KEYS[7], KEYS[8], KEYS[12]
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
local tag, id, keep_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

local record = redis.call('HGET', jobs, id)
if not record or record == '[0]' then
  return 'NOTFOUND'
end
local attempts, crashes, state, _, events = split_run(redis.call('HGET', runs, id))
if state == 'completed' or state == 'dead' or state == 'cancelled' then
  return 'FINAL ' .. state
end
if redis.call('HEXISTS', active, id) == 1 then
  redis.call('SADD', cancels, id)
  return 'REQUESTED'
end

local time = gate.time
-- A pending list is never searched: the id stays in it as a hole that the claim skips, and the 1 says so.
local was_due = redis.call('ZREM', due, id) == 1
local place = (withdraw(gate, id, was_due) or was_due) and 'null' or '1'
if keep_ms > 0 then
  local event = string.format('[%.0f,"cancelled"]', time)
  redis.call('HSET', runs, id, join_run(attempts, crashes, 'cancelled', place, events, event))
  redis.call('ZADD', done, time + keep_ms, id)
else
  redis.call('HDEL', runs, id)
  forget_notes(notes, { id })
  if place == '1' then
    redis.call('HSET', jobs, id, '[0]')
  else
    redis.call('HDEL', jobs, id)
  end
end
free_key(keys, options_of(record), id)
publish(waits, tag, id)
return 'CANCELLED'
