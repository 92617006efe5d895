-- Needs: gate, gate-changes, wake

-- Gives a new job its number, and returns its entry. The newest worker decides on the limits; those of the
-- producer apply until a worker has stored some. `limits` is "<limit>" or "<limit>,<most starts>,<window in
-- ms>", with ",1" appended where groups take turns; a limit of 0 means none.
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

-- A job on its way into its pending list: it enters if it has no limit or gets a slot, else it waits at the
-- gate. `entry` is true where the job may have one that has not been read yet.
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
