-- Needs: gate-entry, put-later

-- Puts the stored job of a workflow's step where it waits, in a queue of which the pending list, the due set and the wake list are given,
-- unless that is the end of the pending list: then the answer is true, and the caller puts it there. `limit` is '' or
-- "<limits> <queue> <group>" (see lib/gate-entry). Wake hints that are to be left are noted in `woken`.
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
