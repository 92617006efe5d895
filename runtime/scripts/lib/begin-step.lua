-- Needs: gate-entry, put-later

-- Puts the stored job of a workflow step where it waits, given the pending list, due set and wake list of its
-- queue. If that is the end of the pending list, the function returns true instead and the caller pushes the
-- id. `limit` is '' or "<limits> <queue> <group>" (see lib/gate-entry). Collects the wake lists that need a
-- hint in `woken`.
local function lines_up(gate, woken, id, pending, due, wake_key, delay, limit)
  local limits, queue, group = string.match(limit, '^(%S+) (%S+) (.*)$')
  if limits then
    register(gate, id, queue, limits, group)
  end
  if delay > 0 then
    put_later(due, wake_key, gate.time + delay, id)
  elseif limits then
    enter_or_wait(gate, id, true, pending, wake_key)
  else
    woken[wake_key] = true
    return true
  end
end

-- Enqueues such a job.
local function begin_step(jobs, gate, woken, id, pending, due, wake_key, delay, limit, record)
  redis.call('HSET', jobs, id, record)
  if lines_up(gate, woken, id, pending, due, wake_key, delay, limit) then
    redis.call('RPUSH', pending, id)
  end
end
