-- Goes through a sorted set from its end. The place is "<score> <id>" of the last one passed over, '' at the
-- start: a rank would move when others remove what was passed over.
local function rank_behind(set, from)
  local score, id = string.match(from, '^(%S+) (%S+)$')
  if not score then
    return 0
  elseif redis.call('ZSCORE', set, id) == score then
    return redis.call('ZREVRANK', set, id) + 1
  end
  return redis.call('ZCOUNT', set, '(' .. score, '+inf')
end

local function place_of(set, stays, from)
  local id = stays[#stays]
  return id and redis.call('ZSCORE', set, id) .. ' ' .. id or from
end
