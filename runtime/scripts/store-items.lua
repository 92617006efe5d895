#!lua
-- store-items: stores items of a fan-out, a part of them at a time.
-- KEYS 1 active, 2 leases, 3 workflows
-- ARGV 1 worker, 2 job that fans out, then fields and values
-- Returns LOST, GONE (the worker does not hold the job), or STORED

local active, leases, workflows, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
if redis.call('HGET', active, ARGV[2]) ~= worker then
  return 'GONE'
end
redis.call('HSET', workflows, unpack(ARGV, 3))
return 'STORED'
