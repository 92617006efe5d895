-- The starts of the group of a limited job; nil where it has no rate.
local function starts_of(gate, entry)
  local group = string.match(entry or '', '^%d+ %S+ (.*)$')
  local rate = group and redis.call('HGET', gate.groups, '%' .. string.match(group, '^%S+'))
  if rate then
    local held, text = unpack(redis.call('HMGET', gate.groups, group, '%' .. group))
    return read_starts(gate, group, rate, text, tonumber(held or 0))
  end
end

-- A claimed id has not started after all: it was a hole, or goes back into its list, where it has a start reserved again.
local function uncount(gate, id, goes_back)
  local log = starts_of(gate, redis.call('HGET', gate.limited, id))
  if log then
    local last = log[#log]
    if last then
      last.n = last.n - 1
      log[#log] = last.n > 0 and last or nil
    end
    log.reserved = log.reserved + (goes_back and 1 or 0)
    write_starts(gate, log)
  end
end

-- A job comes back from its worker: true if it may go into its pending list, with the slot that it holds. Where there is a rate,
-- and the job has started, it comes to the gate again to start again.
local function comes_back(gate, id, has_started)
  local entry = redis.call('HGET', gate.limited, id)
  if not has_started then
    uncount(gate, id, true)
  elseif starts_of(gate, entry) then
    leave(gate, entry)
    return (pass(gate, id, entry))
  end
  return true
end
