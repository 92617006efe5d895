-- Needs: gate-changes, gate-groups, gate-room

-- The gate before the pending lists, for jobs with a limit: of each group at most `limit` jobs hold a slot
-- and the others wait outside, so that a million of them cost nothing to anyone else. An id holds a slot
-- while it stands in a pending list or in `active`. Fields:
-- limited: job id -> entry "<number> <queue> <group>", until the job ends; a group is "<task> <key>"
-- groups: <task> -> limit; <group> -> slots held, with a rate also " <starts reserved>";
--   # -> last number given; #<queue> -> number of waiting jobs; for rates see lib/rate.lua
-- waiting: "<group>\n<number> <queue> <id>"; and a note that the first job of a group may enter:
--   "\n<queue>\n<group>", or from a time on: "\n<queue>\n<time>\n<group>". Times have 16 digits, so that
--   these sort before the others. "\n<queue>\v<group>": see lib/savings.lua.

-- A job takes a slot, and reserves its start.
local function take(gate, group)
  group.held = group.held + 1
  group.reserved = group.rule.rate and group.reserved + 1 or 0
  changed(gate, group)
end

-- Notes when the first waiting job of a group may enter, for the next worker that serves its queue; returns
-- this queue if a worker of it has to look, and whether the note is new. `gate.invited` collects the queues
-- with a new note; its value is true where a job may enter at once (see lib/queues-to-hint.lua).
local function invite(gate, group)
  local opens = anyone_waits(gate) and opens_at(gate, group) or math.huge
  local first = opens < math.huge and first_of(gate, group.name, 1)[1]
  if first then
    local queue, at = queue_and_id(group.name, first), opens > 0 and string.format('%016.0f\n', opens) or ''
    local is_new = redis.call('ZADD', gate.waiting, 0, '\n' .. queue .. '\n' .. at .. group.name) == 1
    if is_new then
      gate.invited = gate.invited or {}
      gate.invited[queue] = gate.invited[queue] or opens == 0
    end
    return (is_new or opens == 0) and queue, is_new
  end
end

-- A job comes to the gate: returns true if it holds a slot now, else it waits. A job that was here before
-- precedes all later ones. The second result tells whether a worker of its queue has to look.
local function pass(gate, id, entry)
  local number, queue, name = string.match(entry, '^(%d+) (%S+) (.*)$')
  local group = group_of(gate, name)
  local opens = opens_at(gate, group)
  if opens == 0 then
    local first = first_of(gate, name, 1)[1]
    if not first or number < string.sub(first, #name + 2, #name + 17) then
      take(gate, group)
      return true, true
    end
  end
  redis.call('ZADD', gate.waiting, 0, name .. '\n' .. number .. ' ' .. queue .. ' ' .. id)
  gate.crowd = true
  count_waiting(gate, queue, 1)
  if opens == math.huge then
    return false, false
  end
  -- A note that stood here has had its look. It may be missing where a deploy has raised a limit.
  local of, is_new = invite(gate, group)
  return false, of == queue and (opens > 0 or is_new)
end

-- A job of a group gives its slot back. Returns the queue whose workers may let another job in, if any. A
-- call that admits jobs itself looks at all groups that it knows by its end instead.
local function give_back(gate, group)
  group.held = math.max(0, group.held - 1)
  group.reserved = math.min(group.reserved, group.held)
  changed(gate, group)
  return not gate.calls_up and invite(gate, group) or nil
end

local function leave(gate, entry)
  return give_back(gate, group_of(gate, group_in(entry)))
end

-- An id leaves its pending list or `active`, for good or until it comes to the gate again. Returns what
-- `leave` does.
local function release(gate, id, is_for_good)
  local entry = redis.call('HGET', gate.limited, id)
  if entry and is_for_good then
    redis.call('HDEL', gate.limited, id)
  end
  return entry and leave(gate, entry)
end
