-- Needs: gate-groups, rate

-- When the group has room for one more: 0 = now, a time, huge = when one that has a place gives it up, or its task is resumed.
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
  -- Those that no longer count may be among these; as a rule there is room with them, and nothing more has to be read.
  if reserved + group.total < rate.most then
    return 0
  end
  local log = log_of(gate, group)
  return next_start(log, group.total, reserved, rate.most)
end

-- Where no job of the shard waits, nobody has to be looked for.
local function anyone_waits(gate)
  if gate.crowd == nil then
    gate.crowd = redis.call('ZLEXCOUNT', gate.waiting, '(\14', '+') > 0
  end
  return gate.crowd
end

-- Up to `most` of the jobs of a group that wait, the first ones first.
local function first_of(gate, name, most)
  return anyone_waits(gate)
    and redis.call('ZRANGEBYLEX', gate.waiting, '[' .. name .. '\n', '(' .. name .. '\v', 'LIMIT', 0, most) or {}
end

-- Queue and id of a job of a group that waits; numbers have 16 digits.
local function queue_and_id(name, member)
  return string.match(member, '^(%S+) (%S+)', #name + 19)
end
