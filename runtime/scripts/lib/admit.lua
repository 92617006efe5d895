-- Needs: gate, gate-changes, gate-room, groups-to-admit, paused-tasks

-- Admits one waiting job if its group has room, it waits for this queue, and fewer than 500 were admitted.
local function let_in(gate, queue, group, member, of, id, came)
  if of ~= queue or came.n == 500 or opens_at(gate, group) > 0 then
    return false
  end
  came.n, came.leaving = came.n + 1, came.leaving + 1
  came.gone[came.leaving] = member
  if not (gate.shut and parks(gate, member, id)) then
    take(gate, group)
    came.entered = came.entered + 1
    came.ids[came.entered] = id
  end
  return true
end

-- Admits jobs of a group while there is room, at most 32; `first` is the first waiting one, where it is
-- known. Returns true if all of them were admitted; second, whether more may wait.
local function let_group_in(gate, queue, group, first, id, came)
  local most = math.max(1, math.min(32, group.rule.limit - group.held))
  if first and most == 1 then
    return let_in(gate, queue, group, first, queue, id, came), true
  end
  local members = first_of(gate, group.name, most)
  for i = 1, #members do
    local of, its_id = queue_and_id(group.name, members[i])
    if not let_in(gate, queue, group, members[i], of, its_id, came) then
      return false
    end
  end
  return true, #members == most
end

-- Fills a pending list. Returns true where a hint is needed: the call itself claims nothing, or there may be
-- more, also behind notes of groups of which nobody waits any more.
local function admit(gate, queue, pending, want)
  gate.queues[#gate.queues + 1] = queue
  local came, stopped, line, more = { n = 0, ids = {}, entered = 0 }, {}, invited(gate, queue)
  while line.n > 0 do
    local open = { n = 0, groups = {}, firsts = {}, ids = {} }
    came.gone, came.leaving = {}, 0
    for i = 1, line.n do
      local group = line.groups[i]
      local came_in, is_full = let_group_in(gate, queue, group, line.firsts[i], line.ids[i], came)
      local opens = came_in and opens_at(gate, group) or 0
      if came_in and opens == 0 and is_full then
        open.n = open.n + 1
        open.groups[open.n] = group
      elseif not came_in or (opens > 0 and opens < math.huge) then
        stopped[#stopped + 1] = group
      end
    end
    if came.leaving > 0 then
      redis.call('ZREM', gate.waiting, unpack(came.gone))
    end
    line = open
  end
  if #came.ids > 0 then
    redis.call('RPUSH', pending, unpack(came.ids))
    count_waiting(gate, queue, -#came.ids)
  end
  -- The next one may wait for another queue, exceed the bound of this call, or have to wait for a later time.
  for i = 1, #stopped do
    invite(gate, stopped[i])
  end
  return more or (came.n > 0 and (want == 0 or came.n == 500))
end
