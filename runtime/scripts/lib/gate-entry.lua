-- Needs: gate, gate-changes, wake

-- Gives a new job its number, and returns its entry. The newest worker says what the limits are; the producer's word counts until one
-- has. `limits` is "<limit>", "<limit>,<most starts>,<window in ms>" or the same and ",1" where groups take turns, with 0 for no limit.
local function register(gate, id, queue, limits, group)
  local entry = string.format('%016.0f', next_number(gate)) .. ' ' .. queue .. ' ' .. group
  redis.call('HSET', gate.limited, id, entry)
  local task = string.match(group, '^%S+')
  gate.told = gate.told or {}
  if limits and gate.told[task] ~= limits then
    gate.told[task] = limits
    local limit, most, per, turns = string.match(limits, '^(%d+),?(%d*),?(%d*)(,?1?)$')
    if limit and limit ~= '0' then
      redis.call('HSETNX', gate.groups, task, limit)
    end
    if per and per ~= '' then
      redis.call('HSETNX', gate.groups, '%' .. task, most .. ' ' .. per .. (turns == ',1' and ' 1' or ''))
      redis.call('HSETNX', gate.groups, '%', 1)
    end
  end
  return entry
end

-- A job comes on its way into its pending list: it goes in if it has no limit or gets a slot, else it waits at the gate. `entry` is
-- true where it may have one.
local function enter_or_wait(gate, id, entry, pending, wake_key)
  local enters, wakes = true, true
  if entry == true then
    entry = redis.call('HGET', gate.limited, id)
  end
  if entry then
    enters, wakes = pass(gate, id, entry)
  end
  if enters then
    redis.call('RPUSH', pending, id)
  end
  if wakes then
    wake(wake_key)
  end
end
