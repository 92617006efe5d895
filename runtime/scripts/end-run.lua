#!lua flags=allow-oom
-- end-run: a workflow run has ended; its job that decides ends with it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 ended, 7 keys, 8 waits, 9 running, 10 listeners; of the run's own queue:
--      11 due
-- ARGV 1 tag, 2 worker, 3 job, 4 run, 5 end of the run, 6 keep (ms), 7 key field to free, 8 job of its timeout ('' = none),
--      9 state of the run when that was decided ('' = none), then its listeners
-- Returns LOST, GONE (the worker does not hold the job), MOVED (its state is another; nothing was done), or ENDED
--@include now
--@include finish

local jobs, runs, active, leases, workflows, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local keys, waits, tag, worker, job, run = KEYS[7], KEYS[8], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
if redis.call('HGET', active, job) ~= worker then
  return 'GONE'
end
if (redis.call('HGET', workflows, run .. ' :state') or '') ~= ARGV[9] then
  return 'MOVED'
end
redis.call('HDEL', active, job)
redis.call('HDEL', jobs, job)
redis.call('HDEL', runs, job)
if redis.call('HEXISTS', workflows, run) == 1 then
  redis.call('HSET', workflows, run .. ' :state', ARGV[5])
  redis.call('HDEL', workflows, run .. ' :open')
  redis.call('ZREM', KEYS[9], run)
  redis.call('ZADD', ended, now() + tonumber(ARGV[6]), run)
  free_key(keys, { key = ARGV[7] ~= '' and ARGV[7] }, run)
  publish(waits, tag, run)
  if ARGV[8] ~= '' and redis.call('ZREM', KEYS[11], ARGV[8]) == 1 then
    redis.call('HDEL', jobs, ARGV[8])
    redis.call('HDEL', runs, ARGV[8])
  end
  if #ARGV > 9 then
    redis.call('ZREM', KEYS[10], unpack(ARGV, 10))
  end
end
return 'ENDED'
