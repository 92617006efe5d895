#!lua flags=allow-oom
-- cancel: cancels a job that has not started at once; of an active one it requests the cancel, and the worker
--         aborts it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 done, 5 cancels, 6 keys, 7 waits, 8 notes,
--      9 limited, 10 groups, 11 waiting, 12 due (of the job's queue)
-- ARGV 1 tag, 2 id, 3 keep (ms), 4 name of this call ('' = none), 5 the state that the job must be in (may be absent: any)
-- Returns NOTFOUND, MOVED <state> (it is in another one), FINAL <state>, REQUESTED (active), or CANCELLED (also to a
--         call that was sent again)
--@include now
--@include record
--@include moved event-of-call
--@include job-end
--@include rate gate-changes gate-groups gate-room gate
--@include withdraw-from-gate
--@include cancel-waiting

local shard = { jobs = KEYS[1], runs = KEYS[2], done = KEYS[4], keys = KEYS[6], waits = KEYS[7], notes = KEYS[8] }
local active, cancels, due = KEYS[3], KEYS[5], KEYS[12]
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
local tag, id, keep_ms, call, expected = ARGV[1], ARGV[2], ms_of(ARGV[3]), ARGV[4], ARGV[5]

local record = redis.call('HGET', shard.jobs, id)
if not record or record == '[0]' then
  return 'NOTFOUND'
end
local run = redis.call('HGET', shard.runs, id)
if has_event_of(run, 'cancelled', call) then
  return 'CANCELLED'
end
local moved = moved_from(expected, active, due, id, run)
if moved then
  return moved
end
local _, _, state = split_run(run)
if state == 'completed' or state == 'dead' or state == 'cancelled' then
  return 'FINAL ' .. state
end
if redis.call('HEXISTS', active, id) == 1 then
  redis.call('SADD', cancels, id)
  return 'REQUESTED'
end
cancel_waiting(shard, gate, due, tag, id, record, run, keep_ms, call)
return 'CANCELLED'
