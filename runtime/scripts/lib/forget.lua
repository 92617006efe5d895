-- What is left of starts that no longer count: at most `limit` groups a call.
local function forget_starts(gate, limit)
  local until_now = string.format('(\r%016.0f', gate.time)
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[\r', until_now, 'LIMIT', 0, limit)
  for i = 1, #notes do
    local group = string.match(notes[i], '\n(.*)$')
    local held, text = unpack(redis.call('HMGET', gate.groups, group, '%' .. group))
    local last = tonumber(string.match(text or '', '^%d+ %d+ (%d+)') or 0)
    redis.call('ZREM', gate.waiting, notes[i])
    if text and (last > gate.time or held) then
      redis.call('ZADD', gate.waiting, 0, string.format('\r%016.0f\n', math.max(last, gate.time + 60000)) .. group)
    elseif text then
      redis.call('HDEL', gate.groups, '%' .. group)
    end
  end
end
