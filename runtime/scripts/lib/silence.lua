-- Redis stood still, could not be reached, or its clock jumped: leases have ended although their workers live.
-- Part of a lease: more than a worker that lives ever lets pass, less than what ends the lease of another.
local SILENCE = 0.7

-- When any worker was heard last: by the end of its lease and the length of that, which differs between workers while a deploy rolls.
-- Those whose leases were prolonged were not heard.
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

-- Where the lease that ends first (`nearest`) is about to end, and nobody was heard for so long, each worker gets a lease's time to come
-- back; true then. Half a millisecond marks leases that were prolonged: once, or the dead would live for ever where every silence
-- follows a crash.
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
