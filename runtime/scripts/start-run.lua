#!lua
-- start-run: stores a workflow run and enqueues the steps that it begins with. Sent again, it does nothing twice.
-- KEYS 1 jobs, 2 workflows, 3 keys, 4 keys-expiry, 5 limited, 6 groups, 7 waiting, 8 running, 9 listeners; then for each queue:
--      pending, due, wake
-- ARGV 1 run, 2 its record, 3 field and 4 text of its definition, 5 key field ('' = none), 6 ttl (ms), 7 number of jobs that it
--      waits for before it ends, 8 number of its listeners, then these, then for each job: job, queue, delay (ms), limit, record
-- Returns the id of the run that there is now (this one, or the one that owns the key), and its record when this call did not store it
--@include now
--@include wake
--@include later
--@include rate book group gate
--@include come
--@include begin
--@include launch

local workflows, keys, expiry, run, key = KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[5]
local stores = { jobs = KEYS[1], workflows = workflows, running = KEYS[8], listeners = KEYS[9] }
local gate = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = now() }

local function keys_of(place)
  local q = 10 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local known = redis.call('HGET', workflows, run)
if known then
  return { run, known }
end
if key ~= '' then
  local owner = redis.call('HGET', keys, key)
  if owner and tonumber(redis.call('ZSCORE', expiry, key) or 0) > gate.time then
    return { owner, redis.call('HGET', workflows, owner) or '' }
  end
  redis.call('HSET', keys, key, run)
  redis.call('ZADD', expiry, gate.time + tonumber(ARGV[6]), key)
end
launch(stores, gate, run, ARGV[2], ARGV[3], ARGV[4], ARGV[7], 8, keys_of)
return { run }
