-- The reply to the last call in a client's slot, if it was this very call, sent again after a lost reply: it
-- must not be repeated, because its jobs may have run and gone by now. Second, the text of `draining`, read
-- with the same command. An earlier call comes late, on a connection that was given up in a failure of the
-- network: it was sent again since then, and nobody waits for this reply.
local function answer_before(sent, call, draining)
  local before, drained = unpack(redis.call('MGET', sent, draining))
  if not before or tonumber(string.match(before, '^%d+')) < tonumber(string.match(call, '^%d+')) then
    return nil, drained
  end
  local answer, is_same = {}, string.sub(before, 1, #call) == call
  for line in string.gmatch(is_same and string.sub(before, #call + 1) or '', '[^\n]+') do
    answer[#answer + 1] = line
  end
  return answer
end

local function remember(sent, call, reply)
  redis.call('SET', sent, call .. table.concat(reply, '\n'), 'PX', 600000)
  return reply
end
