-- Needs: wake

-- Lets an ended workflow run go on: a worker decides with which steps. `record` is that of its job that
-- decides.
local function revive(stores, time, run, record, pending, wake_key)
  redis.call('HSET', stores.workflows, run .. ' :state', 'retrying', run .. ' :open', 1)
  redis.call('ZREM', stores.ended, run)
  redis.call('ZADD', stores.running, time, run)
  redis.call('HSET', stores.jobs, run .. ':end', record)
  redis.call('RPUSH', pending, run .. ':end')
  wake(wake_key)
end
