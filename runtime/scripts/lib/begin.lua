-- Enqueues the job of a workflow's step. `q` is the place of its queue's keys in KEYS; `limit` is '' or "<limits> <queue>
-- <group>" (see come). Wake hints of queues that got a job are noted in `woken`.
local function begin(jobs, gate, woken, id, q, delay, limit, record)
  redis.call('HSET', jobs, id, record)
  local limits, queue, group = string.match(limit, '^(%S+) (%S+) (.*)$')
  if limits then
    register(gate, id, queue, limits, group)
  end
  if delay > 0 then
    put_later(KEYS[q + 1], KEYS[q + 2], gate.time + delay, id)
  elseif limits then
    come(gate, id, true, KEYS[q], KEYS[q + 2])
  else
    redis.call('RPUSH', KEYS[q], id)
    woken[KEYS[q + 2]] = true
  end
end
