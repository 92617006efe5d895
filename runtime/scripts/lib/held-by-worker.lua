-- Why a worker may not act on a job: LOST (its lease is gone) or GONE (it does not hold the job). Nil: it
-- may.
local function refusal_of(active, leases, worker, job)
  local lease = redis.call('ZSCORE', leases, worker)
  if not lease or lease == '0' then
    return 'LOST'
  end
  return redis.call('HGET', active, job) ~= worker and 'GONE' or nil
end
