-- The gate before the pending lists, for jobs with a limit: of each group at most `limit` hold a slot, the others wait outside,
-- so that a million of them cost nobody anything. An id holds a slot while it stands in a pending list or in `active`. Fields:
-- limited: job id -> entry "<number> <queue> <group>", until the job ends; a group is "<task> <key>"
-- groups: <task> -> limit, <group> -> slots held, # -> last number given, #<queue> -> jobs that wait
-- waiting: "<group>\n<number> <queue> <id>", and as a note that the first of a group may come in: "\n<queue>\n<group>"
local function first_of(gate, group)
  local first = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. group .. '\n', '(' .. group .. '\v', 'LIMIT', 0, 1)[1]
  return first, string.match(first or '', '\n(%d+) (%S+) (%S+)$')
end

local function has_room(gate, group)
  local held, limit = unpack(redis.call('HMGET', gate.groups, group, (string.match(group, '^%S+'))))
  return not limit or tonumber(held or 0) < tonumber(limit)
end

-- Notes that the first of a group may come in, for the next worker that serves its queue; returns this queue.
local function invite(gate, group)
  local first, _, queue = first_of(gate, group)
  if first and has_room(gate, group) then
    redis.call('ZADD', gate.waiting, 0, '\n' .. queue .. '\n' .. group)
    return queue
  end
end

-- A job comes to the gate: true if it holds a slot now, else it waits. One that has been here before is before all later ones.
local function pass(gate, id, entry)
  local number, queue, group = string.match(entry, '^(%d+) (%S+) (.*)$')
  if has_room(gate, group) then
    local first, ahead = first_of(gate, group)
    if not first or number < ahead then
      redis.call('HINCRBY', gate.groups, group, 1)
      return true
    end
    invite(gate, group)
  end
  redis.call('ZADD', gate.waiting, 0, group .. '\n' .. number .. ' ' .. queue .. ' ' .. id)
  redis.call('HINCRBY', gate.groups, '#' .. queue, 1)
  return false
end

-- True for a job that may go into its pending list: it has no limit, or a slot.
local function may_enter(gate, id)
  local entry = redis.call('HGET', gate.limited, id)
  return not entry or pass(gate, id, entry)
end

-- Gives a new job its number. The newest worker says what the limit is; the producer's word counts until one has.
local function register(gate, id, queue, limit, group)
  local entry = string.format('%016.0f', redis.call('HINCRBY', gate.groups, '#', 1)) .. ' ' .. queue .. ' ' .. group
  redis.call('HSET', gate.limited, id, entry)
  if limit then
    redis.call('HSETNX', gate.groups, string.match(group, '^%S+'), limit)
  end
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

-- Takes a job that is deleted or cancelled away from the gate; true if it waited there. It keeps a slot that it holds: its id
-- stays in the pending list as a hole, and may come back to life there.
local function withdraw(gate, id, was_due)
  local number, queue, group = string.match(redis.call('HGET', gate.limited, id) or '', '^(%d+) (%S+) (.*)$')
  local waited = number and redis.call('ZREM', gate.waiting, group .. '\n' .. number .. ' ' .. queue .. ' ' .. id) == 1
  if waited then
    redis.call('HINCRBY', gate.groups, '#' .. queue, -1)
    redis.call('ZREM', gate.waiting, '\n' .. queue .. '\n' .. group)
    invite(gate, group)
  end
  if waited or was_due then
    redis.call('HDEL', gate.limited, id)
  end
  return waited
end
