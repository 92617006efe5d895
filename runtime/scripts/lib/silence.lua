-- After Redis stood still, could not be reached, or its clock jumped, leases have ended although their
-- workers live.
-- The fraction of a lease after which silence counts: more than a living worker ever stays silent, less than
-- what ends the lease of another.
local SILENCE = 0.7

-- When any worker was last heard: the end of its lease minus the length of its lease, which differs between
-- workers during a rolling deploy. Workers whose leases were prolonged were not heard.
local function last_heard(leases, workers, lease_ms)
  local high, names, last = redis.call('ZRANGE', leases, 0, 19, 'REV', 'WITHSCORES'), {}, 0
  for i = 1, #high, 2 do
    names[#names + 1] = high[i]
  end
  local texts = #names > 0 and redis.call('HMGET', workers, unpack(names)) or {}
  for i = 1, #names do
    local length = tonumber(string.match(texts[i] or '', '"leaseMs":(%d+)')) or lease_ms
    last = string.find(high[2 * i], '.', 1, true) and last or math.max(last, tonumber(high[2 * i]) - length)
  end
  return last
end

-- If the lease that ends first (`nearest`) is about to end and no worker was heard for too long, gives each
-- worker another lease to come back and returns true. Half a millisecond marks prolonged leases, which are
-- prolonged only once: otherwise dead workers would live for ever where every silence follows a crash.
local function after_silence(leases, workers, time, nearest, lease_ms)
  local longest = SILENCE * lease_ms
  if nearest >= time + lease_ms - longest or time - last_heard(leases, workers, lease_ms) <= longest then
    return false
  end
  local held = redis.call('ZRANGEBYSCORE', leases, '(0', time + lease_ms, 'WITHSCORES')
  for i = 1, #held, 2 do
    if not string.find(held[i + 1], '.', 1, true) then
      redis.call('ZADD', leases, time + lease_ms + 0.5, held[i])
    end
  end
  return true
end
