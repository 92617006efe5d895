-- Needs: gate, gate-changes, gate-groups

-- Removes what purged jobs hold at the gate, once for each group.

-- Ids that have left their pending list for good before they started give back their slots and reserved
-- starts. Returns the number of groups, and whether a worker of the queue has to look.
local function give_slots_back(gate, queue, ids)
  local entries, slots, names, calls = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}, false
  for i = 1, #ids do
    local name = entries[i] and group_in(entries[i])
    if name then
      redis.call('HDEL', gate.limited, ids[i])
      names[#names + 1] = not slots[name] and name or nil
      slots[name] = (slots[name] or 0) + 1
    end
  end
  read_groups(gate, names)
  for i = 1, #names do
    local group, freed = gate.book[names[i]], slots[names[i]]
    group.held, group.reserved = math.max(0, group.held - freed), math.max(0, group.reserved - freed)
    changed(gate, group)
    calls = invite(gate, group) == queue or calls
  end
  return #names, calls
end

-- Jobs of a queue leave the gate at which they wait; `members` are theirs. Returns the same as
-- give_slots_back.
local function leave_gate(gate, queue, ids, members)
  local groups, n, calls = {}, 0, false
  redis.call('ZREM', gate.waiting, unpack(members))
  redis.call('HDEL', gate.limited, unpack(ids))
  count_waiting(gate, queue, -#ids)
  for i = 1, #members do
    groups[string.match(members[i], '^[^\n]*')] = true
  end
  for group in pairs(groups) do
    redis.call('ZREM', gate.waiting, '\n' .. queue .. '\n' .. group)
    n, calls = n + 1, invite(gate, group_of(gate, group)) == queue or calls
  end
  return n, calls
end
