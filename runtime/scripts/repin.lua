#!lua flags=allow-oom
-- repin: corrects the number of workflow runs that a definition counts; without runs, the definition is
--        removed.
-- KEYS 1 workflows
-- ARGV 1 field of the definition; as it was seen: 2 its count ('' = none), 3 1 where the definition is there,
--      else 0; 4 number of its runs
-- Returns MOVED (it is not as it was seen; nothing was done) or REPAIRED

local workflows, field, count, runs = KEYS[1], ARGV[1], ARGV[1] .. '#', tonumber(ARGV[4])

if (redis.call('HGET', workflows, count) or '') ~= ARGV[2] or redis.call('HEXISTS', workflows, field) ~= tonumber(ARGV[3]) then
  return 'MOVED'
end
if runs > 0 then
  redis.call('HSET', workflows, count, runs)
else
  redis.call('HDEL', workflows, field, count)
end
return 'REPAIRED'
