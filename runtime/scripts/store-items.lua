#!lua
-- store-items: stores the number of items of a fan-out, and items that are stored one by one, a part of them
--              at a time.
-- KEYS 1 active, 2 leases, 3 workflows
-- ARGV 1 worker, 2 job that fans out, then fields and values
-- Returns LOST, GONE (the worker does not hold the job), or STORED
--@include held-by-worker

local active, leases, workflows, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local refusal = refusal_of(active, leases, worker, ARGV[2])
if refusal then
  return refusal
end
redis.call('HSET', workflows, unpack(ARGV, 3))
return 'STORED'
