-- Needs: wake

-- Lets an ended workflow run go on: a worker decides with which steps. `record` is that of its job that
-- decides.
local function revive(stores, time, run, record, pending, wake_key)
  -- First what may be refused, where the list is a key of another type.
  redis.call('RPUSH', pending, run .. ':end')
  redis.call('HSET', stores.workflows, run .. ' :state', 'retrying', run .. ' :open', 1)
  redis.call('ZREM', stores.ended, run)
  redis.call('ZADD', stores.running, time, run)
  redis.call('HSET', stores.jobs, run .. ':end', record)
  wake(wake_key)
end
