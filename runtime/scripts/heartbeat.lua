#!lua flags=allow-oom
-- heartbeat: registers a worker or renews its lease, and tells it what it must know: cancels of its jobs, workers that are gone.
--            After a silence of all workers it first gives each of them a lease's time to come back.
-- KEYS 1 active, 2 leases, 3 workers, 4 cancels, 5 tick
-- ARGV 1 worker, 2 lease (ms), 3 JSON about the worker when it registers, '' to renew, 4 and 5 pad field and value of active
-- Returns LOST, or: the time (ms), ids among its jobs whose cancel was asked for, workers whose lease has ended
--@include now

local active, leases, workers, cancels, tick = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
-- Part of a lease: more than a worker that lives ever lets pass, less than what ends the lease of another.
local SILENCE = 0.7
local worker, lease_ms, about = ARGV[1], ms_of(ARGV[2]), ARGV[3]

local lease = redis.call('ZSCORE', leases, worker)
if about ~= '' then
  redis.call('HSET', workers, worker, about)
  redis.call('HSET', active, ARGV[4], ARGV[5])
elseif not lease or lease == '0' then
  return 'LOST'
end
local time = now()

-- Redis stood still, could not be reached, or its clock jumped: leases have ended although their workers live. Half a
-- millisecond marks those that were prolonged: once, or the dead would live for ever where every silence follows a crash.
local last = redis.call('SET', tick, time, 'GET')
if last and time - tonumber(last) > SILENCE * lease_ms then
  local held = redis.call('ZRANGEBYSCORE', leases, '(0', time + lease_ms, 'WITHSCORES')
  for i = 1, #held, 2 do
    if not string.find(held[i + 1], '.', 1, true) then
      redis.call('ZADD', leases, time + lease_ms + 0.5, held[i])
    end
  end
end
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
