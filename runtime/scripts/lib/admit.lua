-- Completed jobs give their slots back.
local function release_all(gate, ids)
  local entries = redis.call('HMGET', gate.limited, unpack(ids))
  for i = 1, #ids do
    if entries[i] then
      redis.call('HDEL', gate.limited, ids[i])
      leave(gate, entries[i])
    end
  end
end

-- Those of the ids that may go into their pending list; the others wait at the gate from now on.
local function entering(gate, ids)
  local entries, entered = redis.call('HMGET', gate.limited, unpack(ids)), {}
  for i = 1, #ids do
    if not entries[i] or pass(gate, ids[i], entries[i]) then
      entered[#entered + 1] = ids[i]
    end
  end
  return entered
end

-- Lets those of a queue in for whom a slot is noted to be free, of at most 100 groups a call. True where a hint is
-- needed: the call itself claims nothing, or there may be more.
local function admit(gate, queue, pending, want)
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[\n' .. queue .. '\n', '(\n' .. queue .. '\v', 'LIMIT', 0, 100)
  local ids = {}
  for i = 1, #notes do
    local group = string.sub(notes[i], #queue + 3)
    redis.call('ZREM', gate.waiting, notes[i])
    local first, _, of, id = first_of(gate, group)
    while first and of == queue and #ids < 500 and has_room(gate, group) do
      redis.call('ZREM', gate.waiting, first)
      redis.call('HINCRBY', gate.groups, '#' .. queue, -1)
      redis.call('HINCRBY', gate.groups, group, 1)
      ids[#ids + 1] = id
      first, _, of, id = first_of(gate, group)
    end
    -- The next may be one of another queue, or too many for one call.
    invite(gate, group)
  end
  if #ids > 0 then
    redis.call('RPUSH', pending, unpack(ids))
  end
  return #ids > 0 and (want == 0 or #notes == 100 or #ids == 500)
end
