#!lua flags=allow-oom
-- regate: repairs the gate's entries of one id, if they are still as the auditor has seen them. recount
--         counts the slots.
-- KEYS 1 jobs, 2 runs, 3 active, 4 limited, 5 groups, 6 waiting; of the job's queue: 7 pending, 8 due, 9 wake
-- ARGV 1 id; as seen: 2 record (none | tombstone | job), 3 run, 4 owner, 5 entry, '' = none; 6 as it is to
--      be: forget | known | come (it stands nowhere), 7 queue, 8 group, 9 longest list to search; then
--      members of it to remove
-- Returns MOVED (it is not as it was seen; nothing was done), LONG (a longer list would have to be searched),
--         or REPAIRED
--@include now
--@include wake
--@include rate gate-changes gate-groups gate-room gate

local jobs, runs, active, limited, groups, waiting = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local pending, due, wake_key = KEYS[7], KEYS[8], KEYS[9]
local gate = { limited = limited, groups = groups, waiting = waiting, time = now() }
local id, target, queue, group, longest = ARGV[1], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])

local record, entry = redis.call('HGET', jobs, id), redis.call('HGET', limited, id) or ''
local kind = not record and 'none' or record == '[0]' and 'tombstone' or 'job'
local run, owner = redis.call('HGET', runs, id) or '', redis.call('HGET', active, id) or ''
if kind ~= ARGV[2] or run ~= ARGV[3] or owner ~= ARGV[4] or entry ~= ARGV[5] then
  return 'MOVED'
end
if target == 'come' and redis.call('LLEN', pending) > longest then
  return 'LONG'
end
if target == 'come' and (redis.call('ZSCORE', due, id) or redis.call('LPOS', pending, id)) then
  return 'MOVED'
end

for i = 10, #ARGV do
  local of = string.match(ARGV[i], '\n%d+ (%S+) %S+$')
  if redis.call('ZREM', waiting, ARGV[i]) == 1 then
    redis.call('HINCRBY', groups, '#' .. of, -1)
  end
end
if target == 'forget' then
  redis.call('HDEL', limited, id)
  return 'REPAIRED'
end
-- The number is the job's place among the others, so the job keeps the one that it has.
local number = string.match(entry, '^(%d+) ') or string.format('%016.0f', redis.call('HINCRBY', groups, '#', 1))
entry = number .. ' ' .. queue .. ' ' .. group
redis.call('HSET', limited, id, entry)
if target == 'come' then
  if pass(gate, id, entry) then
    redis.call('RPUSH', pending, id)
  end
  wake(wake_key)
end
return 'REPAIRED'
