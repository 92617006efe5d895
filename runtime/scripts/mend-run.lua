#!lua flags=allow-oom
-- mend-run: repairs the state of one workflow run, if it is still as the auditor has seen it.
-- KEYS 1 jobs, 2 workflows, 3 running, 4 ended, 5 listeners; of the run's own queue: 6 pending, 7 due, 8 wake
-- ARGV 1 run; as seen: 2 record, 3 state, 4 jobs that it counts ('' = none); as it is to be: 5 time in
--      running, 6 time of removal in ended ('' = not there), 7 jobs that it counts ('' = none); then four
--      lists, each behind the number of what is in it: jobs that begin (of each: id, delay (ms), record),
--      fields that go, members of listeners that go, members that come
-- Returns MOVED (it is not as it was seen, or one of the jobs is there; nothing was done) or REPAIRED
--@include now
--@include wake
--@include put-later

local jobs, workflows, running, ended, listeners, run = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[1]
local count, at = run .. ' :open', 8

-- Positions of the first and the last argument of the next list.
local function take_list(size)
  local first, last = at + 1, at + size * ARGV[at]
  at = last + 1
  return first, last
end
local first_job, last_job = take_list(3)
local first_field, last_field = take_list(1)
local first_gone, last_gone = take_list(1)
local first_come, last_come = take_list(1)

local seen = redis.call('HMGET', workflows, run, run .. ' :state', count)
for i = 1, 3 do
  if (seen[i] or '') ~= ARGV[1 + i] then
    return 'MOVED'
  end
end
for i = first_job, last_job, 3 do
  if redis.call('HEXISTS', jobs, ARGV[i]) == 1 then
    return 'MOVED'
  end
end

for set, score in pairs({ [running] = ARGV[5], [ended] = ARGV[6] }) do
  if score == '' then
    redis.call('ZREM', set, run)
  else
    redis.call('ZADD', set, 'NX', score, run)
  end
end
if last_field >= first_field then
  redis.call('HDEL', workflows, unpack(ARGV, first_field, last_field))
end
if last_gone >= first_gone then
  redis.call('ZREM', listeners, unpack(ARGV, first_gone, last_gone))
end
for i = first_come, last_come do
  redis.call('ZADD', listeners, 0, ARGV[i])
end
if ARGV[7] ~= '' then
  redis.call('HSET', workflows, count, ARGV[7])
elseif seen[3] then
  redis.call('HDEL', workflows, count)
end
for i = first_job, last_job, 3 do
  redis.call('HSET', jobs, ARGV[i], ARGV[i + 2])
  if ARGV[i + 1] == '0' then
    redis.call('RPUSH', KEYS[6], ARGV[i])
    wake(KEYS[8])
  else
    put_later(KEYS[7], KEYS[8], now() + ARGV[i + 1], ARGV[i])
  end
end
return 'REPAIRED'
