#!lua flags=allow-oom
-- take: claims one job for an otherwise idle worker, in the simplest case only; sent right after its blocking
--       pop.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 paused, 6 limited; then for each queue: pending, due, wake
-- ARGV 1 worker
-- Returns LOST; NONE (no job is ready, or something is paused or limited, so `advance` must look); or the id,
--         its record ('' = gone), its run ('' = none), 1 if `advance` must look as well (else 0).
--@include wake

local jobs, runs, active, leases, worker, FIRST_QUEUE_KEY = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], 7
local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
elseif redis.call('EXISTS', KEYS[5], KEYS[6]) > 0 then
  return 'NONE'
end

local id, others = nil, {}
for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  id = id or redis.call('LPOP', KEYS[q])
  others[#others + 1], others[#others + 2] = KEYS[q], KEYS[q + 1]
end
if not id then
  return 'NONE'
end
redis.call('HSET', active, id, worker)
local more = redis.call('EXISTS', unpack(others))
for q = FIRST_QUEUE_KEY, more > 0 and #KEYS or 0, 3 do
  if redis.call('EXISTS', KEYS[q]) == 1 then
    wake(KEYS[q + 2])
  end
end
return { id, redis.call('HGET', jobs, id) or '', redis.call('HGET', runs, id) or '', more > 0 and 1 or 0 }
