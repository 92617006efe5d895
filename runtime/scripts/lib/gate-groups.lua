-- Needs: gate-changes, rate

-- What the hash `groups` holds about tasks and their groups, read once a call.
local function rule_of(task, limit, rate, shut)
  -- Parked jobs (group `!...`) start only when their task is resumed, see lib/paused-tasks.lua.
  return { limit = limit and tonumber(limit) or math.huge, rate = rate_of(rate), shut = shut or string.byte(task) == 33 }
end

-- Reads all groups that are not known yet, and the rules of their tasks, with one command. Counts by hand,
-- because Lua searches for the length of a list, and this runs for each job.
local function read_groups(gate, names)
  local book, rules, known = gate.book or {}, gate.rules or {}, gate.known or {}
  gate.book, gate.rules, gate.known = book, rules, known
  local fields, tasks, rule_for, n, t, task, start = {}, {}, {}, 0, 0, nil, '\n'
  for i = 1, #names do
    local name = names[i]
    if not book[name] then
      -- The groups of one call mostly belong to few tasks, so compare with the task of the previous one
      -- first.
      if string.find(name, start, 1, true) ~= 1 then
        task = string.match(name, '^%S+')
        start = task .. ' '
      end
      n = n + 1
      book[name], fields[n], rule_for[n] = true, name, task
      if not rules[task] then
        t = t + 1
        rules[task], tasks[t] = true, task
      end
    end
  end
  for i = 1, t do
    local at = n + 3 * i
    fields[at - 2], fields[at - 1], fields[at] = tasks[i], '%' .. tasks[i], '!' .. tasks[i]
  end
  local texts = n > 0 and redis.call('HMGET', gate.groups, unpack(fields)) or {}
  for i = 1, t do
    local at = n + 3 * i
    rules[tasks[i]] = rule_of(tasks[i], texts[at - 2], texts[at - 1], texts[at])
  end
  local count = #known
  for i = 1, n do
    local text, rule = texts[i] or '0', rules[rule_for[i]]
    local held, reserved, total, tail
    if rule.rate or not tonumber(text) then
      held, reserved, total, tail = string.match(text, '^(%d+) ?(%d*) ?(%d*)(.*)$')
    end
    held = tonumber(held or text)
    -- No more starts are reserved than ids hold slots.
    reserved = rule.rate and reserved ~= '' and math.min(held, tonumber(reserved)) or 0
    total = total and tonumber(total) or 0
    local group = { name = fields[i], rule = rule, held = held, reserved = reserved, total = total, tail = tail or '', text = texts[i] }
    book[fields[i]], known[count + i] = group, group
  end
end

-- The group in an entry: it follows the number, which has 16 digits, and the queue.
local function group_in(entry)
  return string.match(entry, ' (.*)$', 18)
end

local function group_of(gate, name)
  if not (gate.book and gate.book[name]) then
    read_groups(gate, { name })
  end
  return gate.book[name]
end

-- The recorded starts of a group with a rate.
local function log_of(gate, group)
  if not group.log then
    group.log = read_starts(gate, group.rule.rate, group)
    if group.log.moved then
      changed(gate, group)
    end
  end
  return group.log
end
