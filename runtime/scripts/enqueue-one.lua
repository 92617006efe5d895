#!lua
-- enqueue-one: stores one new job and pushes it into its list: the enqueue of a producer that waits for each
--              job, with few commands.
-- KEYS 1 jobs, 2 sent, 3 draining, 4 pending, 5 wake
-- ARGV 1 call number, and ' t' behind it where the client asks for the time; 2 id, 3 record
-- Returns what enqueue returns of a job with an id made by the client, no key, to run at once, in a queue
--         that holds any number: the time in ms, or nothing where it was not asked for, and where the queue
--         or the task is drained '0 ~' in a second line.
--@include now
--@include is-drained

local jobs, sent, draining, pending, wake = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, id, record = ARGV[1] .. '\n', ARGV[2], ARGV[3]
local answer = string.find(call, 't', 1, true) and string.format('%.0f', now()) or ''

-- Most calls are new and accepted: writing the reply at once costs one command instead of two.
local before = redis.call('SET', sent, call .. answer, 'PX', 600000, 'GET')
-- An earlier call comes late, see lib/last-reply.lua.
if before and tonumber(string.match(before, '^%d+')) >= tonumber(string.match(call, '^%d+')) then
  redis.call('SET', sent, before, 'PX', 600000)
  return string.sub(before, 1, #call) == call and string.sub(before, #call + 1) or ''
end
-- One EXISTS tells which of the two keys are there: the second counts twice.
local there = redis.call('EXISTS', draining, wake, wake)
local drained = there % 2 == 1 and redis.call('GET', draining)
if drained and is_drained(drained, string.match(record, '^%[%d+,"[^"]*","([^"]*)"'), record) then
  answer = answer .. '\n0 ~'
  redis.call('SET', sent, call .. answer, 'PX', 600000)
  return answer
end
redis.call('HSET', jobs, id, record)
redis.call('RPUSH', pending, id)
-- A hint, as in lib/wake.lua: the list holds at most one.
if there < 2 then
  redis.call('LPUSH', wake, '1')
end
return answer
