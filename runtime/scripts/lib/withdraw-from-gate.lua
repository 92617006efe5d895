-- Needs: gate, gate-changes, gate-groups

-- Removes a deleted or cancelled job from the gate; returns true if it waited there. A slot that it holds
-- stays taken: its id stays in the pending list as a hole, and may come back to life there.
local function withdraw(gate, id, was_due)
  local number, queue, group = string.match(redis.call('HGET', gate.limited, id) or '', '^(%d+) (%S+) (.*)$')
  local waited = number and redis.call('ZREM', gate.waiting, group .. '\n' .. number .. ' ' .. queue .. ' ' .. id) == 1
  if waited then
    count_waiting(gate, queue, -1)
    redis.call('ZREM', gate.waiting, '\n' .. queue .. '\n' .. group)
    invite(gate, group_of(gate, group))
  end
  if waited or was_due then
    redis.call('HDEL', gate.limited, id)
  end
  return waited
end
