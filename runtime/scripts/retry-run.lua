#!lua
-- retry-run: a workflow run that has failed or was cancelled goes on: a worker decides with which steps. One
--            step may be given an end.
-- KEYS 1 jobs, 2 workflows, 3 ended, 4 running, 5 keys, 6 keys-expiry; of the run's own queue: 7 pending,
--      8 wake
-- ARGV 1 run, 2 its end as it was seen, 3 key field ('' = none), 4 record of its job that decides, 5 step
--      that is given an end ('' = none), 6 that end, 7 fan-out of which it is an item ('' = none)
-- Returns NOTFOUND, MOVED (its end is not what was seen), KEY <run> (its idempotency key belongs to that one
--         by now), or RETRIED (also to a call that was sent again, until a worker goes on with the run)
--@include now
--@include wake
--@include revive-run

local jobs, workflows, ended, running, keys, expiry = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local pending, run, key, step, time = KEYS[7], ARGV[1], ARGV[3], ARGV[5], now()

local record, state = unpack(redis.call('HMGET', workflows, run, run .. ' :state'))
local removal = redis.call('ZSCORE', ended, run)
if not record or (removal and tonumber(removal) <= time) then
  return 'NOTFOUND'
end
if state ~= ARGV[2] then
  -- Until a worker goes on with the run, its job that decides tells by whom it was retried.
  local is_mine = state == 'retrying' and redis.call('HGET', jobs, run .. ':end') == ARGV[4]
  local is_skipped = step == '' or redis.call('HGET', workflows, run .. ' ' .. step) == ARGV[6]
  return is_mine and is_skipped and 'RETRIED' or 'MOVED'
end
local keeps_key = key ~= '' and tonumber(redis.call('ZSCORE', expiry, key) or 0) > time
local owner = keeps_key and redis.call('HGET', keys, key)
if owner and owner ~= run then
  return 'KEY ' .. owner
end
revive({ jobs = jobs, workflows = workflows, ended = ended, running = running }, time, run, ARGV[4], pending, KEYS[8])
if keeps_key then
  redis.call('HSET', keys, key, run)
end
if step ~= '' then
  redis.call('HSET', workflows, run .. ' ' .. step, ARGV[6])
  if ARGV[7] ~= '' then
    redis.call('HINCRBY', workflows, run .. ' ' .. ARGV[7] .. '*#', 1)
  end
end
return 'RETRIED'
