-- Writes down what has changed of groups: a call for many jobs (`gate.late`) all of it when it ends (write_down), every other one at
-- once. Nothing but this file writes the fields of groups where a gate is open.

-- Lua unpacks at most some 8,000 values.
local function set_fields(groups, fields, most)
  local _ = #fields > most and redis.call('HSET', groups, unpack(fields))
  return #fields > most and {} or fields
end

local function drop_fields(groups, fields, most)
  local _ = #fields > most and redis.call('HDEL', groups, unpack(fields))
  return #fields > most and {} or fields
end

local function write_groups(gate, changed)
  local set, del = {}, {}
  for group in pairs(changed) do
    local slots = group.reserved > 0 and string.format('%d %d', group.held, group.reserved) or tostring(group.held)
    if group.held == 0 and group.slots ~= '0' then
      del[#del + 1] = group.name
    elseif slots ~= group.slots then
      set[#set + 1], set[#set + 2] = group.name, slots
    end
    local text = group.log and starts_text(group.log)
    if text and text ~= group.text then
      set[#set + 1], set[#set + 2] = '%' .. group.name, text
    elseif group.log and group.text and not text then
      del[#del + 1] = '%' .. group.name
    end
    group.slots, group.text = slots, text or (not group.log and group.text)
    set, del = set_fields(gate.groups, set, 4000), drop_fields(gate.groups, del, 4000)
  end
  set_fields(gate.groups, set, 0)
  drop_fields(gate.groups, del, 0)
end

local function changed(gate, group)
  if gate.late then
    gate.late[group] = true
  else
    write_groups(gate, { [group] = true })
  end
end

-- More or fewer jobs of a queue wait.
local function count_waiting(gate, queue, n)
  if gate.late then
    gate.counts[queue] = (gate.counts[queue] or 0) + n
  else
    redis.call('HINCRBY', gate.groups, '#' .. queue, n)
  end
end

-- The number of a job that comes to the gate for the first time.
local function next_number(gate)
  if gate.late and gate.number then
    gate.number, gate.more = gate.number + 1, gate.more + 1
  else
    gate.number, gate.more = redis.call('HINCRBY', gate.groups, '#', 1), 0
  end
  return gate.number
end

local function write_down(gate)
  write_groups(gate, gate.late)
  for queue, n in pairs(gate.counts) do
    redis.call('HINCRBY', gate.groups, '#' .. queue, n)
  end
  local _ = gate.number and gate.more > 0 and redis.call('HINCRBY', gate.groups, '#', gate.more)
end
