#!lua flags=allow-oom
-- pause: keeps the jobs of a task from starting, or lets them go again.
-- KEYS 1 paused, 2 groups; then for each queue: wake
-- ARGV 1 task, 2 pause | resume
-- Returns 1 if this has changed anything, 0 if the task was paused, or was not, before.
--@include now
--@include wake

local paused, groups = KEYS[1], KEYS[2]
local field, closed = 'task:' .. ARGV[1], '!' .. ARGV[1]
local FIRST_QUEUE_KEY = 3

if redis.call('HEXISTS', groups, closed) == (ARGV[2] == 'pause' and 1 or 0) then
  return 0
end
if ARGV[2] == 'pause' then
  redis.call('HSET', groups, closed, '1')
  redis.call('HSET', paused, field, string.format('%.0f', now()))
  return 1
end
redis.call('HDEL', groups, closed)
-- Claims take it from here, a few at a time: see lib/letgo.lua.
redis.call('HSET', paused, field, '0 ')
for q = FIRST_QUEUE_KEY, #KEYS do
  wake(KEYS[q])
end
return 1
