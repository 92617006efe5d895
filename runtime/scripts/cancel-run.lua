#!lua flags=allow-oom
-- cancel-run: a workflow run begins nothing more, and undoes what has completed. Sent again, it does nothing twice.
--             Of the jobs named, active ones are asked to stop; those that wait for a time or at the gate need not any longer.
-- KEYS 1 active, 2 workflows, 3 cancels, 4 limited, 5 groups, 6 waiting; then for each queue: pending, due, wake
-- ARGV 1 run, then for each job: id, queue
-- Returns NOTFOUND, or the state of the run from now on, which is its end if it has ended
--@include now
--@include wake
--@include rate book group gate
--@include withdraw

local active, workflows, cancels, run, woken = KEYS[1], KEYS[2], KEYS[3], ARGV[1], {}
local gate = { limited = KEYS[4], groups = KEYS[5], waiting = KEYS[6], time = now() }

local record, state = unpack(redis.call('HMGET', workflows, run, run .. ' :state'))
if not record then
  return 'NOTFOUND'
end
if state and string.find(state, ' ', 1, true) then
  return state
end
-- A run that fails already goes on to fail.
if not state or state == 'retrying' then
  state = 'cancelling'
  redis.call('HSET', workflows, run .. ' :state', state)
end
for i = 2, #ARGV, 2 do
  local id, q = ARGV[i], 7 + 3 * ARGV[i + 1]
  if redis.call('HEXISTS', active, id) == 1 then
    redis.call('SADD', cancels, id)
  else
    -- It is not ended here: its run has to hear of it, from the worker that claims it.
    local was_due = redis.call('ZREM', KEYS[q + 1], id) == 1
    if withdraw(gate, id, was_due) or was_due then
      redis.call('RPUSH', KEYS[q], id)
      woken[KEYS[q + 2]] = true
    end
  end
end
wake_each(woken)
return state
