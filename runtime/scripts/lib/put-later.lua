-- Needs: wake

-- Puts a job into a due set. Idle workers sleep until the earliest due time that they know; an earlier one
-- must wake them.
local function put_later(due, wake_key, at, id)
  redis.call('ZADD', due, at, id)
  if redis.call('ZRANGE', due, 0, 0)[1] == id then
    wake(wake_key)
  end
end
