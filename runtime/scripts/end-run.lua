#!lua flags=allow-oom
-- end-run: a workflow run has ended; its job that decides ends with it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 ended, 7 keys, 8 waits
-- ARGV 1 tag, 2 worker, 3 job, 4 run, 5 end of the run, 6 keep (ms), 7 key field to free ('' = none)
-- Returns LOST, GONE (the worker does not hold the job), or ENDED
--@include now
--@include finish

local active, workflows, tag, worker, job, run = KEYS[3], KEYS[5], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local lease = redis.call('ZSCORE', KEYS[4], worker)
if not lease or lease == '0' then
  return 'LOST'
end
if redis.call('HGET', active, job) ~= worker then
  return 'GONE'
end
redis.call('HDEL', active, job)
redis.call('HDEL', KEYS[1], job)
redis.call('HDEL', KEYS[2], job)
if redis.call('HEXISTS', workflows, run) == 1 then
  redis.call('HSET', workflows, run .. ' :state', ARGV[5])
  redis.call('HDEL', workflows, run .. ' :open')
  redis.call('ZADD', KEYS[6], now() + tonumber(ARGV[6]), run)
  free_key(KEYS[7], { key = ARGV[7] ~= '' and ARGV[7] }, run)
  publish(KEYS[8], tag, run)
end
return 'ENDED'
