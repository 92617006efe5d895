-- Needs: gate, gate-changes, gate-groups

-- Takes back one of the latest starts.
local function take_back_start(group, log)
  group.total = math.max(0, group.total - 1)
  local rest, n, gap = string.match(group.total <= log.before and log.older or '', '^(.*) (%d+) (%d+)$')
  if rest then
    log.older, log.before, log.last = rest, log.before - n, log.last - gap
  end
end

-- The group of a limited job; nil where it has no rate.
local function rated(gate, entry)
  local group = entry and group_of(gate, group_in(entry))
  return group and group.rule.rate and group or nil
end

-- A claimed id has not started after all: it was a hole, or goes back into its list, where its start is
-- reserved again.
local function uncount(gate, id, goes_back)
  local group = rated(gate, redis.call('HGET', gate.limited, id))
  if group then
    take_back_start(group, log_of(gate, group))
    group.reserved = group.reserved + (goes_back and 1 or 0)
    changed(gate, group)
  end
end

-- A worker hands a job back: returns true if the job may enter its pending list, with the slot that it holds.
-- A job of a group with a rate that has started must pass the gate again to start again.
local function comes_back(gate, id, has_started)
  local entry = redis.call('HGET', gate.limited, id)
  if not has_started then
    uncount(gate, id, true)
  elseif rated(gate, entry) then
    leave(gate, entry)
    return (pass(gate, id, entry))
  end
  return true
end
