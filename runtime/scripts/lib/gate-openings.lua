-- Needs: gate-groups, gate-room, promote

-- When groups that wait for a time may enter.

-- Milliseconds until a group of the queue that waits for a time may enter; -1 = none waits. If one may enter
-- sooner than its note says, a deploy has changed the rate or the clock was set back: then the notes are
-- rewritten without times, so that a worker looks at all of them again.
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

-- Milliseconds until a group of any queue that this call has looked at may enter; -1 = none waits.
local function nearest_opening(gate)
  local nearest = -1
  for i = 1, #gate.queues do
    nearest = sooner(nearest, next_opening(gate, gate.queues[i]))
  end
  return nearest
end
