-- The gate before the pending lists, for jobs with a limit: of each group at most `limit` hold a slot, the others wait outside,
-- so that a million of them cost nobody anything. An id holds a slot while it stands in a pending list or in `active`. Fields:
-- limited: job id -> entry "<number> <queue> <group>", until the job ends; a group is "<task> <key>"
-- groups: <task> -> limit, <group> -> slots held, # -> last number given, #<queue> -> jobs that wait; rates: see rate.lua
-- waiting: "<group>\n<number> <queue> <id>", and as a note that the first of a group may come in: "\n<queue>\n<group>", or from a
-- time on: "\n<queue>\n<time>\n<group>", with 16 digits, so that these stand in front of the others
local function first_of(gate, group)
  local first = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. group .. '\n', '(' .. group .. '\v', 'LIMIT', 0, 1)[1]
  return first, string.match(first or '', '\n(%d+) (%S+) (%S+)$')
end

-- When the group has room for one more: 0 = now, a time, huge = when one that has a place gives it up. Then its starts.
local function opens_at(gate, group)
  local task = string.match(group, '^%S+')
  local held, limit, rate, text, shut = unpack(redis.call('HMGET', gate.groups, group, task, '%' .. task, '%' .. group, '!' .. task))
  held = tonumber(held or 0)
  -- Closed while its task is paused; one of parked jobs (`!`) always: see shut.lua.
  if shut or string.byte(group) == 33 or (limit and held >= tonumber(limit)) then
    return math.huge
  end
  local log = read_starts(gate, group, rate, text, held)
  return log and next_start(gate, log) or 0, log
end

-- One takes a slot, and reserves its start.
local function take(gate, group, log)
  redis.call('HINCRBY', gate.groups, group, 1)
  if log then
    log.reserved = log.reserved + 1
    write_starts(gate, log)
  end
end

-- Notes when the first of a group may come in, for the next worker that serves its queue; returns this queue if it has to look.
local function invite(gate, group)
  local first, _, queue = first_of(gate, group)
  local opens = first and opens_at(gate, group) or math.huge
  if opens < math.huge then
    local at = opens > 0 and string.format('%016.0f\n', opens) or ''
    return (redis.call('ZADD', gate.waiting, 0, '\n' .. queue .. '\n' .. at .. group) == 1 or opens == 0) and queue
  end
end

-- A job comes to the gate: true if it holds a slot now, else it waits. One that has been here before is before all later ones.
-- Second, whether a worker of its queue has to look.
local function pass(gate, id, entry)
  local number, queue, group = string.match(entry, '^(%d+) (%S+) (.*)$')
  local opens, log = opens_at(gate, group)
  local first, ahead = nil, nil
  if opens == 0 then
    first, ahead = first_of(gate, group)
    if not first or number < ahead then
      take(gate, group, log)
      return true, true
    end
  end
  redis.call('ZADD', gate.waiting, 0, group .. '\n' .. number .. ' ' .. queue .. ' ' .. id)
  redis.call('HINCRBY', gate.groups, '#' .. queue, 1)
  return false, opens < math.huge and invite(gate, group) == queue and opens > 0
end

-- Gives the slot of an entry back; returns the queue whose workers may let another in, if there is one.
local function leave(gate, entry)
  local group = string.match(entry, '^%d+ %S+ (.*)$')
  if redis.call('HINCRBY', gate.groups, group, -1) <= 0 then
    redis.call('HDEL', gate.groups, group)
  end
  return invite(gate, group)
end

-- An id leaves its pending list or `active`, for good or until it comes to the gate again; returns what `leave` does.
local function release(gate, id, is_for_good)
  local entry = redis.call('HGET', gate.limited, id)
  if entry and is_for_good then
    redis.call('HDEL', gate.limited, id)
  end
  return entry and leave(gate, entry)
end
