#!lua
-- store-items: stores items of a fan-out, a part of them at a time.
-- KEYS 1 active, 2 leases, 3 workflows
-- ARGV 1 worker, 2 job that fans out, then fields and values
-- Returns LOST, GONE (the worker does not hold the job), or STORED

local lease = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not lease or lease == '0' then
  return 'LOST'
end
if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[1] then
  return 'GONE'
end
redis.call('HSET', KEYS[3], unpack(ARGV, 3))
return 'STORED'
