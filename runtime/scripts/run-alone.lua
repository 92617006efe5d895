#!lua flags=allow-oom
-- run-alone: notes that a worker which runs nothing else is about to start this job: a crash from here on is
--            caused by this job.
-- KEYS 1 runs, 2 active, 3 leases
-- ARGV 1 worker, 2 id
-- Returns LOST (no lease), GONE (not held by this worker), or the new run.
--@include now
--@include record
--@include held-by-worker

local runs, active, leases, worker, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]

local refusal = refusal_of(active, leases, worker, id)
if refusal then
  return refusal
end
local attempts, crashes, state, detail, events = split_run(redis.call('HGET', runs, id))
local event = string.format('[%.0f,"alone","%s"]', now(), worker)
local run = join_run(attempts, crashes, state, detail, events, event)
redis.call('HSET', runs, id, run)
return run
