#!lua
-- await: answers with the end of a job, or registers a client that waits for it.
-- KEYS 1 jobs, 2 runs, 3 waits
-- ARGV 1 id, 2 client
-- Returns NOTFOUND, WAITING, or: the record and the run of the finished job

local jobs, runs, waits, id, client = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]

local record = redis.call('HGET', jobs, id)
if not record or record == '[0]' then
  return 'NOTFOUND'
end
local run = redis.call('HGET', runs, id)
local state = run and string.match(run, '^%[%d+,%d+,"(%a+)"')
if state == 'completed' or state == 'dead' or state == 'cancelled' then
  return { record, run }
end
local clients = redis.call('HGET', waits, id)
if not clients then
  redis.call('HSET', waits, id, client)
elseif not string.find(' ' .. clients .. ' ', ' ' .. client .. ' ', 1, true) then
  redis.call('HSET', waits, id, clients .. ' ' .. client)
end
return 'WAITING'
