-- Rates: at most so many starts of a group in any window of time. A start is a claim; an id that stands in a pending list has the
-- place of its start reserved. Fields of `groups` besides those of the gate, `time` being that of Redis:
-- % -> 1 where the shard has had rates, %<task> -> "<most starts> <window in ms>", and " 1" where its groups take turns (see
-- turns.lua), with a window of 0 where they have no rate
-- %<group> -> "<places reserved>", then for each of at most some 50 parts of the window " <end> <starts>": they count until then
local function grain_of(most, per)
  return most > 50 and math.max(1, math.floor(per / 50)) or 1
end

-- What is known of a group with a rate, nil without one. No end is further away than a window: where one is, the clock has gone
-- back or a deploy has made the window shorter. No more places are reserved than ids hold slots.
local function read_starts(gate, group, rate, text, held)
  local most, per, turns = string.match(rate or '', '^(%d+) (%d+) ?(1?)$')
  if not most then
    return nil
  end
  local reserved, ends = string.match(text or '0', '^(%d+)(.*)$')
  local log = { group = group, most = tonumber(most), per = tonumber(per), reserved = math.min(tonumber(reserved), held), total = 0 }
  log.grain, log.turns = grain_of(log.most, log.per), turns == '1'
  local latest = gate.time + log.per + log.grain
  for ending, n in string.gmatch(ends, ' (%d+) (%d+)') do
    ending, n = tonumber(ending), tonumber(n)
    if ending > gate.time then
      log[#log + 1] = { ending = math.min(ending, latest), n = n }
      log.total, log.moved = log.total + n, log.moved or ending > latest
    end
  end
  return log
end

local function write_starts(gate, log)
  local parts = { string.format('%.0f', log.reserved) }
  for i = 1, #log do
    parts[i + 1] = string.format('%.0f %.0f', log[i].ending, log[i].n)
  end
  if log.reserved == 0 and #log == 0 then
    redis.call('HDEL', gate.groups, '%' .. log.group)
  else
    redis.call('HSET', gate.groups, '%' .. log.group, table.concat(parts, ' '))
  end
end

-- Time from which the group may start one more: 0 = now, huge = ids that have not started yet have all places.
local function next_start(gate, log)
  local over = log.per > 0 and log.reserved + log.total - log.most + 1 or 0
  if log.moved then
    write_starts(gate, log)
  end
  if log.turns and log.reserved > 0 then
    return math.huge
  elseif over <= 0 then
    return 0
  end
  for i = 1, #log do
    over = over - log[i].n
    if over <= 0 then
      return log[i].ending
    end
  end
  return math.huge
end

-- So many ids of the group start now. Notes, once for a group that had none, from when on its starts may be forgotten.
local function add_starts(gate, log, n)
  local ending, last = math.ceil((gate.time + log.per) / log.grain) * log.grain, log[#log]
  log.reserved = math.max(0, log.reserved - n)
  if log.per == 0 then
    return write_starts(gate, log)
  elseif last and last.ending >= ending then
    last.n = last.n + n
  else
    log[#log + 1] = { ending = ending, n = n }
    if not last then
      redis.call('ZADD', gate.waiting, 0, string.format('\r%016.0f\n', ending) .. log.group)
    end
  end
  write_starts(gate, log)
end
