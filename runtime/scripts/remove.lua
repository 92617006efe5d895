#!lua flags=allow-oom
-- remove: deletes a job that no worker holds, with everything known about it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 done, 5 dead, 6 keys, 7 waits, 8 notes,
--      9 limited, 10 groups, 11 waiting, 12 due (of the job's queue)
-- ARGV 1 tag, 2 id, 3 the state that it must be in (may be absent: any)
-- Returns NOTFOUND, MOVED <state> (it is in another one), ACTIVE, or REMOVED
--@include now
--@include record
--@include moved
--@include job-end
--@include rate gate-changes gate-groups gate-room gate
--@include withdraw-from-gate

local jobs, runs, active, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local keys, waits, notes, due = KEYS[6], KEYS[7], KEYS[8], KEYS[12]
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
local tag, id, expected = ARGV[1], ARGV[2], ARGV[3]

local record = redis.call('HGET', jobs, id)
if not record or record == '[0]' then
  return 'NOTFOUND'
end
local moved = moved_from(expected, active, due, id, redis.call('HGET', runs, id))
if moved then
  return moved
end
if redis.call('HEXISTS', active, id) == 1 then
  return 'ACTIVE'
end
local _, _, state, detail = split_run(redis.call('HGET', runs, id))
local final = state == 'completed' or state == 'dead' or (state == 'cancelled' and detail ~= '1')
local was_due = redis.call('ZREM', due, id) == 1
local has_ended = redis.call('ZREM', done, id) + redis.call('ZREM', dead, id) > 0
local waited = withdraw(gate, id, was_due)
redis.call('HDEL', runs, id)
forget_notes(notes, { id })
-- The id still stands in a pending list, which is never searched: a tombstone keeps the id from being used
-- again until the list has passed it.
if not final and (state == 'cancelled' or not (was_due or has_ended or waited)) then
  redis.call('HSET', jobs, id, '[0]')
else
  redis.call('HDEL', jobs, id)
end
local options = options_of(record)
options.hold = nil
free_key(keys, options, id)
publish(waits, tag, id)
return 'REMOVED'
