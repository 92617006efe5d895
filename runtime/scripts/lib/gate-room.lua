-- Needs: gate-groups, rate

-- When the group has room for one more job: 0 = now, a time, or huge = when a job gives its place up or the
-- task is resumed.
local function opens_at(gate, group)
  if group.rule.shut or group.held >= group.rule.limit then
    return math.huge
  end
  local rate, reserved = group.rule.rate, group.reserved
  if rate and rate.turns and reserved > 0 then
    return math.huge
  elseif not rate or rate.per == 0 then
    return 0
  end
  -- The total may include starts that no longer count. There mostly is room even so, and the rest need not be
  -- read.
  if reserved + group.total < rate.most then
    return 0
  end
  local log = log_of(gate, group)
  return next_start(log, group.total, reserved, rate.most)
end

-- While no job of the shard waits, no group has to be searched for waiting jobs.
local function anyone_waits(gate)
  if gate.crowd == nil then
    gate.crowd = redis.call('ZLEXCOUNT', gate.waiting, '(\14', '+') > 0
  end
  return gate.crowd
end

-- Up to `most` waiting jobs of a group, in their order.
local function first_of(gate, name, most)
  return anyone_waits(gate)
    and redis.call('ZRANGEBYLEX', gate.waiting, '[' .. name .. '\n', '(' .. name .. '\v', 'LIMIT', 0, most) or {}
end

-- Queue and id of a waiting job of a group; numbers have 16 digits.
local function queue_and_id(name, member)
  return string.match(member, '^(%S+) (%S+)', #name + 19)
end
