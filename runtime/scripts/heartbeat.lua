#!lua flags=allow-oom
-- heartbeat: registers a worker or renews its lease, and tells it what it must know: cancels of its jobs, workers that are gone.
-- KEYS 1 active, 2 leases, 3 workers, 4 cancels
-- ARGV 1 worker, 2 lease (ms), 3 JSON about the worker when it registers, '' to renew, 4 and 5 pad field and value of active
-- Returns LOST, or: the time (ms), ids among its jobs whose cancel was asked for, workers whose lease has ended
--@include now

local active, leases, workers, cancels = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local worker, lease_ms, about = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local lease = redis.call('ZSCORE', leases, worker)
if about ~= '' then
  redis.call('HSET', workers, worker, about)
  redis.call('HSET', active, ARGV[4], ARGV[5])
elseif not lease or lease == '0' then
  return 'LOST'
end
local time = now()
redis.call('ZADD', leases, time + lease_ms, worker)

local asked = {}
if redis.call('EXISTS', cancels) == 1 then
  local ids = redis.call('SMEMBERS', cancels)
  for i = 1, #ids do
    local owner = redis.call('HGET', active, ids[i])
    if owner == worker then
      asked[#asked + 1] = ids[i]
    elseif not owner then
      redis.call('SREM', cancels, ids[i])
    end
  end
end
return { string.format('%.0f', time), asked, redis.call('ZRANGEBYSCORE', leases, '-inf', time, 'LIMIT', 0, 10) }
