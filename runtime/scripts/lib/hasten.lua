-- Jobs of a run that only wait need not wait any longer: those of them that are in the due set, their ids separated by spaces, come
-- into the pending list.
local function hasten(ids, pending, due, wake_key, woken)
  for id in string.gmatch(ids, '%S+') do
    if redis.call('ZREM', due, id) == 1 then
      redis.call('RPUSH', pending, id)
      woken[wake_key] = true
    end
  end
end
