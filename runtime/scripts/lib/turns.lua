-- Turns: of a group that takes turns with the others of its task, one id stands in the pending list. A claim takes it, and the next
-- comes in behind those of the other groups. It is a rate of which only the reserved places count; an id that is handed back, or that
-- was put there before, may be one more for a while.

-- Up to `most` of those of a group that wait for this queue, first ones first.
local function next_of(gate, log, queue, most)
  local from, to = '[' .. log.group .. '\n', '(' .. log.group .. '\v'
  local members, ids = redis.call('ZRANGEBYLEX', gate.waiting, from, to, 'LIMIT', 0, most), {}
  for i = 1, #members do
    local of, id = string.match(members[i], '\n%d+ (%S+) (%S+)$')
    if of ~= queue then
      break
    end
    ids[i] = id
  end
  return ids, members
end

-- The next of each of these groups, of which ids have been claimed, come in. Where the claim wants more than stand in the list, which
-- is empty then, so many of each come as it takes to fill it, in turns. True if any has come.
local function take_turns(gate, queue, pending, logs, wanted)
  local rounds, came, most = {}, false, math.max(1, math.ceil(wanted / math.max(1, #logs)))
  for g = 1, #logs do
    local log = logs[g]
    local opens = log.has_limit and opens_at(gate, log.group) or next_start(gate, log)
    local ids, members = {}, {}
    if opens == 0 then
      ids, members = next_of(gate, log, queue, log.has_limit and 1 or most)
    end
    if #ids > 0 then
      redis.call('ZREM', gate.waiting, unpack(members, 1, #ids))
      redis.call('HINCRBY', gate.groups, log.group, #ids)
      log.reserved = log.reserved + #ids
      write_starts(gate, log)
    elseif log.has_limit or #members > 0 then
      invite(gate, log.group)
    end
    for r = 1, #ids do
      rounds[r] = rounds[r] or {}
      rounds[r][#rounds[r] + 1] = ids[r]
    end
  end
  for r = 1, #rounds do
    redis.call('RPUSH', pending, unpack(rounds[r]))
    redis.call('HINCRBY', gate.groups, '#' .. queue, -#rounds[r])
    came = true
  end
  return came
end

-- For `claim`: what follows when ids have been taken from a list.
local function follower(gate, names, pending)
  return function(q, ids, wanted)
    return take_turns(gate, names[q], pending[q], count_starts(gate, ids), wanted)
  end
end
