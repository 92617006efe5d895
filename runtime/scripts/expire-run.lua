#!lua flags=allow-oom
-- expire-run: the time of a workflow run is over: it begins nothing more, and what only waits is hastened.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows; of the run's own queue: 6 pending, 7 due, 8 wake
-- ARGV 1 worker, 2 job, 3 run, 4 state of the run from now on, 5 jobs that only wait, separated by spaces
-- Returns LOST, GONE (the worker does not hold the job), OVER (the run goes on no longer anyway), or EXPIRED
--@include now
--@include wake
--@include hasten
--@include hold

local jobs, runs, active, leases, workflows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local worker, job, run, woken = ARGV[1], ARGV[2], ARGV[3], {}

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
redis.call('HSET', workflows, run .. ' :timeout', string.format('%.0f', now()))
hasten(ARGV[5], KEYS[6], KEYS[7], KEYS[8], woken)
wake_each(woken)
return 'EXPIRED'
