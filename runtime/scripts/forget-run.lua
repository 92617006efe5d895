#!lua flags=allow-oom
-- forget-run: removes fields of a workflow run whose retention has ended, a part of them at a time.
-- KEYS 1 workflows, 2 ended
-- ARGV 1 run, 2 1 with the last part, else 0; then fields
-- Returns the number of fields removed
--@include now

local workflows, ended, run = KEYS[1], KEYS[2], ARGV[1]

local removal = redis.call('ZSCORE', ended, run)
if not removal or tonumber(removal) > now() then
  return 0
end
if ARGV[2] == '1' then
  redis.call('ZREM', ended, run)
end
return redis.call('HDEL', workflows, unpack(ARGV, 3))
