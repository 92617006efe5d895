-- Needs: rate

-- Writes the changes of groups: a call for many jobs (`gate.late`) all at its end (write_down), every other
-- call at once. While a gate is open, only this file writes the fields of groups. Lua unpacks at most about
-- 8,000 values, so many groups are written in chunks.

-- Caches numbers as texts: many groups share few different numbers, and a lookup is cheaper than a
-- conversion.
local digits = setmetatable({}, { __index = function(known_ones, number)
  local text = tostring(number)
  known_ones[number] = text
  return text
end })

-- The text of a group as stored; nil where nothing is to be stored.
local function text_of(group)
  local held, reserved, total = group.held, group.reserved, group.total
  if total > 0 then
    return digits[held] .. ' ' .. digits[reserved] .. ' ' .. digits[total] .. (group.log and starts_text(group.log) or group.tail)
  elseif reserved > 0 then
    return digits[held] .. ' ' .. digits[reserved]
  end
  return held > 0 and digits[held] or nil
end

local function write_groups(gate, groups)
  local set, del, n, gone = {}, {}, 0, 0
  for i = 1, #groups do
    local group = groups[i]
    local text = text_of(group)
    if text and text ~= group.text then
      set[n + 1], set[n + 2], n = group.name, text, n + 2
    elseif not text and group.text then
      gone = gone + 1
      del[gone] = group.name
    end
    group.text = text
    if n >= 4000 then
      redis.call('HSET', gate.groups, unpack(set))
      set, n = {}, 0
    end
    if gone >= 4000 then
      redis.call('HDEL', gate.groups, unpack(del))
      del, gone = {}, 0
    end
  end
  if n > 0 then
    redis.call('HSET', gate.groups, unpack(set))
  end
  if gone > 0 then
    redis.call('HDEL', gate.groups, unpack(del))
  end
end

local function changed(gate, group)
  if not gate.late then
    write_groups(gate, { group })
  end
end

-- Adds `n` (or subtracts it, below 0) to the number of waiting jobs of a queue.
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
  write_groups(gate, gate.known or {})
  for queue, n in pairs(gate.counts) do
    redis.call('HINCRBY', gate.groups, '#' .. queue, n)
  end
  if gate.number and gate.more > 0 then
    redis.call('HINCRBY', gate.groups, '#', gate.more)
  end
end
