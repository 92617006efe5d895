-- Needs: gate, gate-groups, record, withdraw-from-gate

-- A worker that still holds a job of an earlier attempt has written the end of its step and is about to
-- report it: it must not end the job that begins anew. If it was killed in between, the job has gone back to
-- its list and would run twice, so it is removed from there, which costs a search. `place_of`: the position
-- in KEYS of the pending list of a queue; its due set follows.
local function take_back(stores, id, place_of)
  local gate = stores.gate
  redis.call('SREM', stores.cancels, id)
  if redis.call('HDEL', stores.active, id) == 1 then
    release(gate, id, true)
    return
  end
  local record, _, _, state = redis.call('HGET', stores.jobs, id), split_run(redis.call('HGET', stores.runs, id))
  local q = record and (state == 'pending' or state == 'retry') and place_of[queue_of(record) or '']
  if q then
    local was_due = redis.call('ZREM', KEYS[q + 1], id) == 1
    if not withdraw(gate, id, was_due) and not was_due and redis.call('LREM', KEYS[q], 0, id) > 0 then
      local entry = redis.call('HGET', gate.limited, id)
      local group = entry and group_of(gate, group_in(entry))
      if group then
        -- The job has not started, so its reserved start becomes free.
        group.reserved = math.max(0, group.reserved - 1)
      end
      release(gate, id, true)
    end
  end
end
