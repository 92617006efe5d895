-- Needs: count-starts, gate, gate-changes, gate-room

-- Turns: of a group that takes turns with the others of its task, one id stands in the pending list. A claim
-- takes it, and the next one of the group enters behind those of the other groups. This is a rate of which
-- only the reserved starts count. An id that was handed back, or pushed before turns were declared, may be
-- one more for a while.

-- Up to `most` waiting jobs of a group, in their order, as far as they wait for this queue.
local function next_of(gate, group, queue, most)
  local members, ids = first_of(gate, group.name, most), {}
  for i = 1, #members do
    local of, id = queue_and_id(group.name, members[i])
    if of ~= queue then
      break
    end
    ids[i] = id
  end
  return ids, members
end

-- Admits the next job of each of these groups, of which ids were claimed. If the claim wants more than the
-- list held (it is empty then), as many of each group enter as fill the claim, in turns. Returns true if any
-- entered.
local function take_turns(gate, queue, pending, groups, wanted)
  local rounds, gone, came, most = {}, {}, 0, math.max(1, math.ceil(wanted / math.max(1, #groups)))
  for g = 1, #groups do
    local group, ids, members = groups[g], {}, {}
    local has_limit = group.rule.limit < math.huge or group.rule.rate.per > 0
    if opens_at(gate, group) == 0 then
      ids, members = next_of(gate, group, queue, has_limit and 1 or most)
    end
    for r = 1, #ids do
      take(gate, group)
      rounds[r] = rounds[r] or {}
      rounds[r][#rounds[r] + 1], gone[#gone + 1] = ids[r], members[r]
    end
    if #ids == 0 and (has_limit or #members > 0) then
      invite(gate, group)
    end
  end
  if #gone > 0 then
    redis.call('ZREM', gate.waiting, unpack(gone))
  end
  for r = 1, #rounds do
    redis.call('RPUSH', pending, unpack(rounds[r]))
    came = came + #rounds[r]
  end
  if came > 0 then
    count_waiting(gate, queue, -came)
  end
  return came > 0
end

-- The callback of `claim` for ids taken from a list.
local function follower(gate, names, pending)
  return function(q, ids, wanted)
    return take_turns(gate, names[q], pending[q], count_starts(gate, ids), wanted)
  end
end
