-- Needs: event-of-call, job-end, record, withdraw-from-gate

-- Ends a job wherever it waits. A pending list is never searched: the id stays in it as a hole that the claim
-- skips, which the detail 1 records. `call` names the call, '' = it has no name.
local function cancel_waiting(shard, gate, due, tag, id, record, run, keep_ms, call)
  local attempts, crashes, _, _, events = split_run(run)
  local was_due = redis.call('ZREM', due, id) == 1
  local place = (withdraw(gate, id, was_due) or was_due) and 'null' or '1'
  if keep_ms > 0 then
    local event = event_of(gate.time, 'cancelled', call)
    redis.call('HSET', shard.runs, id, join_run(attempts, crashes, 'cancelled', place, events, event))
    redis.call('ZADD', shard.done, gate.time + keep_ms, id)
  else
    redis.call('HDEL', shard.runs, id)
    forget_notes(shard.notes, { id })
    if place == '1' then
      redis.call('HSET', shard.jobs, id, '[0]')
    else
      redis.call('HDEL', shard.jobs, id)
    end
  end
  free_key(shard.keys, options_of(record), id)
  publish(shard.waits, tag, id)
end
