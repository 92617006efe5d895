#!lua flags=allow-oom
-- fail: ends one attempt that did not complete: the job waits for its retry, goes dead, or was cancelled.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 done, 6 dead, 7 keys, 8 keys-expiry, 9 cancels, 10 waits, 11 due, 12 wake
-- ARGV 1 tag, 2 worker, 3 id, 4 outcome (retry | dead | cancelled), 5 run, 6 ms: until the retry, or to keep the job
-- Returns LOST (no lease), GONE (not held by this worker), or the outcome. A retry becomes cancelled when that was asked for.
--@include now
--@include wake
--@include record
--@include finish

local jobs, runs, active, leases, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local keys, expiry, cancels, waits, due = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local tag, worker, id, outcome, run, ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
if redis.call('HGET', active, id) ~= worker then
  return 'GONE'
end
local record = redis.call('HGET', jobs, id)
redis.call('HDEL', active, id)
if redis.call('SREM', cancels, id) == 1 and outcome == 'retry' then
  outcome = 'cancelled'
  run = string.gsub(run, '^(%[%d+,%d+,)"retry"', '%1"cancelled"')
end

if outcome == 'retry' then
  redis.call('HSET', runs, id, run)
  redis.call('ZADD', due, now() + ms, id)
  -- Idle workers sleep until the earliest due time that they know; an earlier one must wake them.
  if redis.call('ZRANGE', due, 0, 0)[1] == id then
    wake(KEYS[12])
  end
  return outcome
end

free_key(keys, expiry, record and options_of(record) or {}, id)
if ms > 0 then
  redis.call('HSET', runs, id, run)
  redis.call('ZADD', outcome == 'dead' and dead or done, now() + ms, id)
else
  redis.call('HDEL', jobs, id)
  redis.call('HDEL', runs, id)
end
publish(waits, tag, id)
return outcome
