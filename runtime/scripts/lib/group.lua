-- What `groups` says of tasks and of their groups, read once in a call.
local function rule_of(task, limit, rate, shut)
  -- Parked jobs (`!`) are let go by their task alone, see shut.lua.
  return { limit = limit and tonumber(limit) or math.huge, rate = rate_of(rate), shut = shut or string.byte(task) == 33 }
end

-- Reads those of the groups that are not known yet, all at once, and the rules of their tasks.
local function read_up(gate, names)
  gate.book, gate.rules = gate.book or {}, gate.rules or {}
  local book, rules, fields, unread, tasks, task_of = gate.book, gate.rules, {}, {}, {}, {}
  for i = 1, #names do
    local name = names[i]
    if not book[name] then
      book[name], unread[#unread + 1] = true, name
      fields[#fields + 1], fields[#fields + 2] = name, '%' .. name
    end
  end
  local at = #fields
  for i = 1, #unread do
    local task = string.match(unread[i], '^%S+')
    task_of[i] = task
    if not rules[task] then
      rules[task], tasks[#tasks + 1] = true, task
      fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = task, '%' .. task, '!' .. task
    end
  end
  local texts = at > 0 and redis.call('HMGET', gate.groups, unpack(fields)) or {}
  for i = 1, #tasks do
    rules[tasks[i]] = rule_of(tasks[i], texts[at + 3 * i - 2], texts[at + 3 * i - 1], texts[at + 3 * i])
  end
  for i = 1, #unread do
    local rule, slots = rules[task_of[i]], texts[2 * i - 1] or '0'
    local held, reserved = tonumber(slots), '0'
    if not held then
      held, reserved = string.match(slots, '^(%d+) (%d+)$')
    end
    held, reserved = tonumber(held), rule.rate and tonumber(reserved) or 0
    book[unread[i]] = {
      -- No more places are reserved than ids hold slots.
      name = unread[i], rule = rule, held = held, reserved = math.min(held, reserved), slots = slots, text = texts[2 * i], is_called = false,
    }
  end
end

local function group_of(gate, name)
  if not (gate.book and gate.book[name]) then
    read_up(gate, { name })
  end
  return gate.book[name]
end

-- What is known of the starts of a group, false without a rate.
local function log_of(gate, group)
  local rate = group.rule.rate
  if group.log == nil then
    group.log = rate and read_starts(gate, rate, group.text or nil) or false
    local _ = group.log and group.log.moved and changed(gate, group)
  end
  return group.log
end

-- Where no job of the shard waits, nobody has to be looked for.
local function anyone_waits(gate)
  if gate.crowd == nil then
    gate.crowd = redis.call('ZLEXCOUNT', gate.waiting, '(\14', '+') > 0
  end
  return gate.crowd
end

-- Up to `most` of the jobs of a group that wait, the first ones first.
local function first_of(gate, name, most)
  return anyone_waits(gate)
    and redis.call('ZRANGEBYLEX', gate.waiting, '[' .. name .. '\n', '(' .. name .. '\v', 'LIMIT', 0, most) or {}
end

-- Queue and id of a job of a group that waits; numbers have 16 digits.
local function who(name, member)
  return string.match(member, '^(%S+) (%S+)', #name + 19)
end
