#!lua flags=allow-oom
-- keep-run: a run that is a step of another stays as long as that one, whatever its own retention.
-- KEYS 1 workflows, 2 ended
-- ARGV 1 run, 2 its parent, 3 how long it stays at least (ms)
-- Returns FREE (there is no such parent any more; nothing was done), or KEPT
--@include now

if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  return 'FREE'
end
redis.call('ZADD', KEYS[2], 'XX', now() + tonumber(ARGV[3]), ARGV[1])
return 'KEPT'
