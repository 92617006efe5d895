-- Needs: gate, gate-changes, gate-groups

-- Paused tasks. Fields of `paused`: task:<task> -> paused since, or "0 <group>": resumed, and its groups up
-- to this one have been invited. The first claim that finds a job of a paused task in its list parks it, so
-- that it is looked at only once: the job goes back to the gate of its own group, which is closed meanwhile
-- (`!<task>` in `groups`), or waits in the group `!<task> <queue>`, which claims empty after the resume
-- (lib/resumed-tasks.lua).
local function shut_of(paused)
  local fields, shut = redis.call('HGETALL', paused), { queues = {} }
  for i = 1, #fields, 2 do
    local task = string.match(fields[i], '^task:(.*)$')
    if task then
      shut.tasks = shut.tasks or {}
      shut.tasks[task] = fields[i + 1]
    else
      shut.queues[fields[i]] = true
    end
  end
  return shut
end

local function is_resumed(value)
  return string.byte(value) == 48
end

-- The task of a record if it is paused or resumed; second, true where it is paused.
local function shut_task(gate, record)
  local task = record and string.match(record, '^%[%d+,"([^"]*)"')
  local value = task and gate.shut[task]
  return value and task, value and not is_resumed(value)
end

-- An id leaves its list before it has started: its slot and its reserved start become free.
local function step_out(gate, entry)
  local group = group_of(gate, group_in(entry))
  group.reserved = math.max(0, group.reserved - 1)
  give_back(gate, group)
end

-- Parks ids that have left the list of their queue; `tasks` holds the task of each.
local function park(gate, queue, ids, tasks)
  if #ids == 0 then
    return
  end
  local entries, known, members = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}
  local last = redis.call('HINCRBY', gate.groups, '#', #ids) - #ids
  for i = 1, #ids do
    local number, group = string.match(entries[i] or '', '^(%d+) %S+ (.*)$')
    if entries[i] then
      step_out(gate, entries[i])
    end
    -- The gate of a queue's limit stays open for other tasks, and the parked job would block them there.
    if not group or string.byte(group) == 64 then
      number, group = number or string.format('%016.0f', last + i), '!' .. tasks[i] .. ' ' .. queue
      known[#known + 1], known[#known + 2] = ids[i], number .. ' ' .. queue .. ' ' .. group
    end
    members[2 * i - 1], members[2 * i] = 0, group .. '\n' .. number .. ' ' .. queue .. ' ' .. ids[i]
  end
  if #known > 0 then
    redis.call('HSET', gate.limited, unpack(known))
  end
  redis.call('ZADD', gate.waiting, unpack(members))
  gate.crowd = true
  count_waiting(gate, queue, #ids)
end

-- Parks a job that was taken from the gate of a queue's limit, if its task is paused.
local function parks(gate, member, id)
  local number, queue, group = string.match(member, '\n(%d+) (%S+) %S+$')
  local task, is_paused = shut_task(gate, redis.call('HGET', gate.jobs, id))
  if is_paused then
    group = '!' .. task .. ' ' .. queue
    redis.call('HSET', gate.limited, id, number .. ' ' .. queue .. ' ' .. group)
    redis.call('ZADD', gate.waiting, 0, group .. '\n' .. number .. ' ' .. queue .. ' ' .. id)
  end
  return is_paused
end
