-- The reply to the last call in a client's slot, if it was this very call, sent again after a lost reply: it
-- must not be repeated, because its jobs may have run and gone by now. Second, the text of `draining`, read
-- with the same command.
local function answer_before(sent, call, draining)
  local before, drained = unpack(redis.call('MGET', sent, draining))
  if not before or string.sub(before, 1, #call) ~= call then
    return nil, drained
  end
  local answer = {}
  for line in string.gmatch(string.sub(before, #call + 1), '[^\n]+') do
    answer[#answer + 1] = line
  end
  return answer
end

local function remember(sent, call, reply)
  redis.call('SET', sent, call .. table.concat(reply, '\n'), 'PX', 600000)
  return reply
end
