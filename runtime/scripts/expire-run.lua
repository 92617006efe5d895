#!lua flags=allow-oom
-- expire-run: the time of a workflow run is over: it begins nothing more, and its jobs that wait for a time
--             or at the gate are hastened.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 limited, 7 groups, 8 waiting; then for each queue:
--      pending, due, wake
-- ARGV 1 worker, 2 job, 3 run, 4 state of the run from now on, 5 jobs that may wait (see lib/hasten-jobs)
-- Returns LOST, GONE (the worker does not hold the job), OVER (the run goes on no longer anyway), or EXPIRED
--@include now
--@include wake
--@include rate gate-changes gate-groups gate-room gate
--@include withdraw-from-gate hasten-jobs
--@include held-by-worker

local jobs, runs, active, leases, workflows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local worker, job, run, woken = ARGV[1], ARGV[2], ARGV[3], {}
local gate = { limited = KEYS[6], groups = KEYS[7], waiting = KEYS[8], time = now() }

local refusal = refusal_of(active, leases, worker, job)
if refusal then
  return refusal
end
redis.call('HDEL', active, job)
redis.call('HDEL', jobs, job)
redis.call('HDEL', runs, job)
if redis.call('HEXISTS', workflows, run) == 0 or redis.call('HSETNX', workflows, run .. ' :state', ARGV[4]) == 0 then
  return 'OVER'
end
redis.call('HSET', workflows, run .. ' :timeout', string.format('%.0f', gate.time))
hasten(gate, ARGV[5], function(place)
  local q = 9 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end, woken)
wake_each(woken)
return 'EXPIRED'
