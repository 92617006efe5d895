-- Jobs of a run that wait for a time need not wait any longer: those of them that are in a due set come into the pending list of their
-- queue. In the text, `<place of the queue> <id>`, separated by spaces; `keys_of` gives pending, due and wake of a place.
local function hasten(jobs, keys_of, woken)
  for place, id in string.gmatch(jobs, '(%d+) (%S+)') do
    local pending, due, wake_key = keys_of(place)
    if redis.call('ZREM', due, id) == 1 then
      redis.call('RPUSH', pending, id)
      woken[wake_key] = true
    end
  end
end
