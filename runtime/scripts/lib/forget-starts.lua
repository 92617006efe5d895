-- Forgets starts that no longer count, for at most `limit` groups a call.
local function forget_starts(gate, limit)
  local until_now = string.format('(\r%016.0f', gate.time)
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[\r', until_now, 'LIMIT', 0, limit)
  for i = 1, #notes do
    local group = string.match(notes[i], '\n(.*)$')
    local held, last = string.match(redis.call('HGET', gate.groups, group) or '', '^(%d+) %d+ %d+ (%d+)')
    redis.call('ZREM', gate.waiting, notes[i])
    if held and (tonumber(last) > gate.time or held ~= '0') then
      redis.call('ZADD', gate.waiting, 0, string.format('\r%016.0f\n', math.max(tonumber(last), gate.time + 60000)) .. group)
    elseif held then
      redis.call('HDEL', gate.groups, group)
    end
  end
end
