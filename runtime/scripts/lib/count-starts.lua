-- Needs: gate, gate-changes, gate-groups, rate

-- Prepares the gate for `advance`. Only a shard that has had rates pays for them.
local function gate_of(gate)
  gate.rates, gate.queues, gate.calls_up = redis.call('HEXISTS', gate.groups, '%') == 1, {}, true
  gate.late, gate.counts = {}, {}
  return gate
end

-- Parts of the window that end later than a start of now are cut to end with it: no earlier start counts for
-- longer.
local function bring_nearer(log, ending)
  local at = log.first
  log.first, log.last = math.min(at, ending), ending
  log.older = string.gsub(log.older, ' (%d+) (%d+)', function(n, gap)
    local from = at
    at = at + gap
    return string.format(' %s %.0f', n, math.min(at, ending) - math.min(from, ending))
  end)
end

-- Records that `n` ids of a group with a rate start now. If no start counted before, returns the time from
-- which the starts of the group may be forgotten.
local function add_starts(gate, group, n)
  local rate = group.rule.rate
  group.reserved = math.max(0, group.reserved - n)
  changed(gate, group)
  if rate.per == 0 then
    return nil
  end
  local ending, text = ending_of(rate, gate.time, group.total + n)
  if not group.log and string.find(group.tail, text, 1, true) == 1 then
    group.total = group.total + n
    return nil
  end
  local log = log_of(gate, group)
  local is_first = group.total == 0
  if is_first then
    log.first, log.last, log.before, log.older = ending, ending, 0, ''
  elseif log.last > ending then
    bring_nearer(log, ending)
  elseif log.last < ending then
    log.older = log.older .. string.format(' %.0f %.0f', group.total - log.before, ending - log.last)
    log.last, log.before = ending, group.total
  end
  group.total = group.total + n
  return is_first and ending
end

-- Counts the starts of claimed ids, and notes when the jobs that wait behind them may start. Returns the
-- groups that take turns, in the order of their starts.
local function count_starts(gate, ids)
  local entries, starts, names, turns, n = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}, {}, 0
  for i = 1, #entries do
    local name = entries[i] and group_in(entries[i])
    if name and starts[name] then
      starts[name] = starts[name] + 1
    elseif name then
      n = n + 1
      names[n], starts[name] = name, 1
    end
  end
  read_groups(gate, names)
  for i = 1, n do
    local name = names[i]
    local group = gate.book[name]
    local rate = group.rule.rate
    local first = rate and add_starts(gate, group, starts[name])
    if first then
      redis.call('ZADD', gate.waiting, 0, string.format('\r%016.0f\n', first) .. name)
    end
    if rate and rate.turns then
      turns[#turns + 1] = group
    elseif rate and group.held < group.rule.limit and group.reserved + group.total >= rate.most then
      invite(gate, group)
    end
  end
  return turns
end
