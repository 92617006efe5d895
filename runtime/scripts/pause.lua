#!lua flags=allow-oom
-- pause: keeps the jobs of a queue or a task from starting, or lets them start again.
-- KEYS 1 paused, 2 groups; then for each queue: wake
-- ARGV 1 kind (queue | task), 2 name, 3 pause | resume
-- Returns 1 if this has changed anything, else 0.
--@include now
--@include wake

local paused, groups = KEYS[1], KEYS[2]
local name, action = ARGV[2], ARGV[3]
local field, closed = 'task:' .. name, '!' .. name
local FIRST_QUEUE_KEY = 3

local function wake_all()
  for q = FIRST_QUEUE_KEY, #KEYS do
    wake(KEYS[q])
  end
end

if ARGV[1] == 'queue' then
  if action == 'pause' then
    return redis.call('HSETNX', paused, name, string.format('%.0f', now()))
  end
  wake_all()
  return redis.call('HDEL', paused, name)
end
if redis.call('HEXISTS', groups, closed) == (action == 'pause' and 1 or 0) then
  return 0
end
if action == 'pause' then
  redis.call('HSET', groups, closed, '1')
  redis.call('HSET', paused, field, string.format('%.0f', now()))
  return 1
end
redis.call('HDEL', groups, closed)
-- Claims do the rest, a few jobs at a time: see lib/resumed-tasks.lua.
redis.call('HSET', paused, field, '0 ')
wake_all()
return 1
