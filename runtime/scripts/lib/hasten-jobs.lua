-- Needs: withdraw-from-gate

-- Jobs of a run that does not go on need not wait any longer: they end where a worker claims them, and need
-- no slot for that.
local function hasten_one(gate, id, pending, due, wake_key, woken)
  -- Fails where the list is a key of another type, while the job still stands where it waits.
  redis.call('LLEN', pending)
  local was_due = redis.call('ZREM', due, id) == 1
  if withdraw(gate, id, was_due) or was_due then
    redis.call('RPUSH', pending, id)
    woken[wake_key] = true
  end
end

-- Moves the jobs that wait for a time or at the gate into the pending list of their queue. `jobs` is `<place
-- of the queue> <id>`, repeated and separated by spaces; `keys_of` gives pending, due and wake of a place.
local function hasten(gate, jobs, keys_of, woken)
  for place, id in string.gmatch(jobs, '(%d+) (%S+)') do
    local pending, due, wake_key = keys_of(place)
    hasten_one(gate, id, pending, due, wake_key, woken)
  end
end
