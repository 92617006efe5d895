-- The gate as `advance` needs it: only a shard that has had rates pays for them.
local function gate_of(gate)
  gate.rates, gate.queues = redis.call('HEXISTS', gate.groups, '%') == 1, {}
  return gate
end

-- Counts the starts of claimed ids, and notes when those who wait behind them may come in. Returns what is known of the groups
-- that take turns, in the order of their starts.
local function count_starts(gate, ids)
  local entries, starts, groups, turns = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}, {}
  for i = 1, #ids do
    local group = entries[i] and string.match(entries[i], '^%d+ %S+ (.*)$')
    if group and not starts[group] then
      groups[#groups + 1] = group
    end
    if group then
      starts[group] = (starts[group] or 0) + 1
    end
  end
  for i = 1, #groups do
    local group, task = groups[i], string.match(groups[i], '^%S+')
    local rate, limit, held, text = unpack(redis.call('HMGET', gate.groups, '%' .. task, task, group, '%' .. group))
    local log = read_starts(gate, group, rate, text, tonumber(held or 0))
    if log then
      add_starts(gate, log, starts[group])
    elseif text and not string.find(text, ' ', 1, true) then
      -- Only places, of turns that a deploy has ended; nothing else would ever forget them.
      redis.call('HDEL', gate.groups, '%' .. group)
    end
    if log and log.turns then
      log.has_limit = limit or log.per > 0
      turns[#turns + 1] = log
    elseif log then
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
  if tonumber(at) <= gate.time or opens_at(gate, group) >= tonumber(at) then
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
