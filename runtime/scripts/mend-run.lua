#!lua flags=allow-oom
-- mend-run: puts in order what stands about one workflow run, if it still is as the auditor has seen it.
-- KEYS 1 jobs, 2 workflows, 3 running, 4 ended, 5 listeners; of the run's own queue: 6 pending, 7 wake
-- ARGV 1 run; as seen: 2 record, 3 state, 4 jobs that it counts ('' = none); as it is to be: 5 time in running, 6 time of removal in
--      ended ('' = not there), 7 jobs that it counts ('' = none); 8 job that decides ('' = none begins), 9 its record; 10 number of fields
--      that go, then these; then members of listeners that go
-- Returns MOVED (it is not as it was seen; nothing was done) or REPAIRED
--@include wake

local jobs, workflows, running, ended, listeners, run = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[1]
local count, decider, behind = run .. ' :open', ARGV[8], 10 + ARGV[10]

local seen = redis.call('HMGET', workflows, run, run .. ' :state', count)
for i = 1, 3 do
  if (seen[i] or '') ~= ARGV[1 + i] then
    return 'MOVED'
  end
end
if decider ~= '' and redis.call('HEXISTS', jobs, decider) == 1 then
  return 'MOVED'
end

for set, score in pairs({ [running] = ARGV[5], [ended] = ARGV[6] }) do
  if score == '' then
    redis.call('ZREM', set, run)
  else
    redis.call('ZADD', set, 'NX', score, run)
  end
end
if behind > 10 then
  redis.call('HDEL', workflows, unpack(ARGV, 11, behind))
end
if #ARGV > behind then
  redis.call('ZREM', listeners, unpack(ARGV, behind + 1))
end
if ARGV[7] ~= '' then
  redis.call('HSET', workflows, count, ARGV[7])
elseif seen[3] then
  redis.call('HDEL', workflows, count)
end
if decider ~= '' then
  redis.call('HSET', jobs, decider, ARGV[9])
  redis.call('RPUSH', KEYS[6], decider)
  wake(KEYS[7])
end
return 'REPAIRED'
