#!lua flags=allow-oom
-- wait-step: a step of a workflow run waits for an event; its job comes back with one, or when its time is
--            over.
-- KEYS 1 active, 2 leases, 3 workflows; of the run's own queue: 4 due, 5 wake
-- ARGV 1 worker, 2 job, 3 run, 4 step, 5 timeout (ms), 6 bytes of what the caller knows that the run has
--      heard for the step, 7 '1' if none of that can match in another life of the run either
-- Returns LOST, GONE (the worker does not hold the job), AGAIN (the run has changed), OVER (the time is
--         over), or WAITING
--@include now
--@include wake
--@include put-later
--@include held-by-worker

local active, leases, workflows, time = KEYS[1], KEYS[2], KEYS[3], now()
local worker, job, run, field = ARGV[1], ARGV[2], ARGV[3], ARGV[3] .. ' ' .. ARGV[4]

local refusal = refusal_of(active, leases, worker, job)
if refusal then
  return refusal
end
local facts = redis.call('HMGET', workflows, run, run .. ' :state', field .. '!', field .. '?')
if not facts[1] or facts[2] or #(facts[3] or '') ~= tonumber(ARGV[6]) then
  return 'AGAIN'
end
local until_then = tonumber(facts[4] or time + tonumber(ARGV[5]))
if until_then <= time then
  return 'OVER'
end
redis.call('HSET', workflows, field .. '?', string.format('%.0f', until_then))
if ARGV[7] == '1' and facts[3] then
  -- The ids stay, so that the run is not told again; each event would be read and written with all before it.
  redis.call('HSET', workflows, field .. '!', (string.gsub(facts[3], '([^ \n]+ %d+ )[^\n]*', '%1null')))
end
redis.call('HDEL', active, job)
put_later(KEYS[4], KEYS[5], until_then, job)
return 'WAITING'
