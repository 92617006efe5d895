-- The gate as `advance` needs it: only a shard that has had rates pays for them.
local function gate_of(gate)
  gate.rates, gate.queues, gate.freed = redis.call('HEXISTS', gate.groups, '%') == 1, {}, {}
  gate.late, gate.counts = {}, {}
  return gate
end

-- So many ids of a group with a rate start now. Returns from when on its starts may be forgotten, if none has counted before.
local function add_starts(gate, group, n)
  local rate = group.rule.rate
  group.reserved = math.max(0, group.reserved - n)
  changed(gate, group)
  if rate.per == 0 then
    return nil
  end
  rate.ending = rate.ending or math.ceil((gate.time + rate.per) / rate.grain) * rate.grain
  local log, ending = log_of(gate, group), rate.ending
  local is_first = log.n == 0
  if is_first then
    log.first, log.last = ending, ending
  elseif log.last < ending then
    log.older = log.older .. string.format(' %d %d', log.n, ending - log.last)
    log.last, log.n = ending, 0
  end
  log.n, log.total = log.n + n, log.total + n
  return is_first and ending
end

-- Counts the starts of claimed ids, and notes when those who wait behind them may come in. Returns the groups that take turns, in
-- the order of their starts.
local function count_starts(gate, ids)
  local entries, starts, names, turns = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}, {}
  for i = 1, #ids do
    local name = entries[i] and string.match(entries[i], '^%d+ %S+ (.*)$')
    if name and not starts[name] then
      names[#names + 1] = name
    end
    if name then
      starts[name] = (starts[name] or 0) + 1
    end
  end
  read_up(gate, names)
  for i = 1, #names do
    local group = gate.book[names[i]]
    local rate = group.rule.rate
    local first = rate and add_starts(gate, group, starts[names[i]])
    if first then
      redis.call('ZADD', gate.waiting, 0, string.format('\r%016.0f\n', first) .. names[i])
    end
    if rate and rate.turns then
      turns[#turns + 1] = group
    elseif rate then
      invite(gate, group)
    end
  end
  return turns
end

-- Milliseconds until a group of the queue that waits for a time may come in, -1 = none does. Where it may come in sooner than its
-- note says, a deploy has changed the rate or the clock has gone back: then a worker has to look at all such notes anew.
local function next_opening(gate, queue)
  local from, to = '[\n' .. queue .. '\n', '(\n' .. queue .. '\n@'
  local first = redis.call('ZRANGEBYLEX', gate.waiting, from, to, 'LIMIT', 0, 1)[1]
  if not first then
    return -1
  end
  local at, group = string.match(first, '\n(%d+)\n(.*)$')
  if tonumber(at) <= gate.time or opens_at(gate, group_of(gate, group)) >= tonumber(at) then
    return math.max(0, tonumber(at) - gate.time)
  end
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, from, to, 'LIMIT', 0, 100)
  for i = 1, #notes do
    redis.call('ZREM', gate.waiting, notes[i])
    redis.call('ZADD', gate.waiting, 0, '\n' .. queue .. '\n' .. string.match(notes[i], '([^\n]*)$'))
  end
  return 0
end

-- Milliseconds until a group of the queues that this call has looked at may come in, -1 = none waits.
local function nearest_opening(gate)
  local nearest = -1
  for i = 1, #gate.queues do
    nearest = sooner(nearest, next_opening(gate, gate.queues[i]))
  end
  return nearest
end
