-- Condemns a worker whose lease has ended: from now on its own calls answer LOST, also while its jobs are
-- taken back in several calls. Returns false if it has renewed its lease meanwhile.
local function condemn(leases, worker, time)
  if tonumber(redis.call('ZSCORE', leases, worker) or 0) > time then
    return false
  end
  redis.call('ZADD', leases, 0, worker)
  return true
end

local function forget(leases, workers, worker)
  redis.call('ZREM', leases, worker)
  redis.call('HDEL', workers, worker)
end
