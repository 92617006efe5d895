#!lua
-- await-run: answers with the end of a workflow run, or registers a client that waits for it.
-- KEYS 1 workflows, 2 waits
-- ARGV 1 run, 2 client
-- Returns NOTFOUND, WAITING, or: the record and the state of the run that has ended

local workflows, waits, run, client = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local record, state = unpack(redis.call('HMGET', workflows, run, run .. ' :state'))
if not record then
  return 'NOTFOUND'
end
if state and string.find(state, ' ', 1, true) then
  return { record, state }
end
local clients = redis.call('HGET', waits, run)
if not clients then
  redis.call('HSET', waits, run, client)
elseif not string.find(' ' .. clients .. ' ', ' ' .. client .. ' ', 1, true) then
  redis.call('HSET', waits, run, clients .. ' ' .. client)
end
return 'WAITING'
