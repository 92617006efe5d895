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

-- Lets those of a queue in for whom a note says that there is room now, of at most 100 groups a call. True where a hint is
-- needed: the call itself claims nothing, or there may be more.
local function admit(gate, queue, pending, want)
  local start, ids, n = '\n' .. queue .. '\n', {}, 0
  gate.queues[#gate.queues + 1] = queue
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start .. '@', '(\n' .. queue .. '\v', 'LIMIT', 0, 100)
  if gate.rates and #notes < 100 then
    local until_now = string.format('(%s%016.0f', start, gate.time + 1)
    local timed = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start, until_now, 'LIMIT', 0, 100 - #notes)
    for i = 1, #timed do
      notes[#notes + 1] = timed[i]
    end
  end
  for i = 1, #notes do
    local group = string.match(notes[i], '([^\n]*)$')
    redis.call('ZREM', gate.waiting, notes[i])
    local first, _, of, id = first_of(gate, group)
    local opens, log = opens_at(gate, group)
    while first and of == queue and n < 500 and opens == 0 do
      redis.call('ZREM', gate.waiting, first)
      if not (gate.shut and parks(gate, first, id)) then
        redis.call('HINCRBY', gate.groups, '#' .. queue, -1)
        take(gate, group, log)
        ids[#ids + 1] = id
      end
      n = n + 1
      first, _, of, id = first_of(gate, group)
      opens, log = opens_at(gate, group)
    end
    -- The next may be one of another queue, too many for one call, or one whose time has not come.
    invite(gate, group)
  end
  if #ids > 0 then
    redis.call('RPUSH', pending, unpack(ids))
  end
  return n > 0 and (want == 0 or #notes == 100 or n == 500)
end
