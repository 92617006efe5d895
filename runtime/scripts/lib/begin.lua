-- Enqueues the job of a workflow's step in a queue, of which the pending list, the due set and the wake list are given; `limit` is ''
-- or "<limits> <queue> <group>" (see come). Wake hints that are to be left are noted in `woken`.
local function begin(jobs, gate, woken, id, pending, due, wake_key, delay, limit, record)
  redis.call('HSET', jobs, id, record)
  local limits, queue, group = string.match(limit, '^(%S+) (%S+) (.*)$')
  if limits then
    register(gate, id, queue, limits, group)
  end
  if delay > 0 then
    put_later(due, wake_key, gate.time + delay, id)
  elseif limits then
    come(gate, id, true, pending, wake_key)
  else
    redis.call('RPUSH', pending, id)
    woken[wake_key] = true
  end
end
