-- Needs: wake

-- The shorter of two times in ms; -1 means none.
local function sooner(one, other)
  return (one < 0 or (other >= 0 and other < one)) and other or one
end

-- Moves due ids into the pending list, at most 500 a call, and returns the ms until the next due time (-1 =
-- none). `enter` returns those of them that may go into the list.
local function promote(pending, due, wake_key, time, enter)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= time then
    local ids = redis.call('ZRANGEBYSCORE', due, '-inf', time, 'LIMIT', 0, 500)
    redis.call('ZREM', due, unpack(ids))
    ids = enter and enter(ids) or ids
    if #ids > 0 then
      redis.call('RPUSH', pending, unpack(ids))
      wake(wake_key)
    end
    first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  end
  return first[2] and math.max(0, tonumber(first[2]) - time) or -1
end
