#!lua flags=allow-oom
-- follow-run: a step that is a run of its own waits for that, and starts it or lets it go on before. Sent
--             again, it does nothing twice. The job of the step comes back when the run has ended, and to
--             look after a while.
-- KEYS 1 jobs, 2 active, 3 leases, 4 workflows, 5 limited, 6 groups, 7 waiting, 8 running, 9 listeners,
--      10 ended, 11 cancels; then for each queue: pending, due, wake; the first is where the parent's own
--      jobs wait
-- ARGV 1 worker, 2 job of the step, 3 parent, 4 step or item, 5 run, 6 until it looks again (ms), 7 start,
--      retry or wait; then, to start it: 8 its parent, 9 its record, 10 field and 11 text of its definition,
--      then what it begins with (see lib/launch-run); and to let it go on: 8 queue and 9 record of its job
--      that decides
-- Returns LOST, GONE (the worker does not hold the job), AGAIN (there is news of one of the runs), or WAITING
--@include now
--@include wake
--@include put-later
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry
--@include begin-step
--@include in-chunks launch-run
--@include revive-run
--@include held-by-worker

local active, leases, workflows, running, time = KEYS[2], KEYS[3], KEYS[4], KEYS[8], now()
local stores = { jobs = KEYS[1], workflows = workflows, running = running, listeners = KEYS[9], ended = KEYS[10] }
local worker, job, parent, run, wanted = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[7]
local mark = parent .. ' ' .. ARGV[4] .. '%'

local function keys_of(place)
  local q = 12 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local refusal = refusal_of(active, leases, worker, job)
if refusal then
  return refusal
end

local facts = redis.call('HMGET', workflows, parent .. ' :state', run .. ' :parent', run .. ' :state', mark)
local halted, known, state, marked = unpack(facts)
local goes_on = not halted and redis.call('HEXISTS', workflows, parent) == 1
local ended = state and string.find(state, ' ', 1, true)
if wanted == 'start' and not known and goes_on then
  local gate, woken = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = time }, {}
  -- First what may be refused: a run that has a parent counts as started.
  launch(stores, gate, woken, run, ARGV[9], 12, keys_of)
  pin(workflows, ARGV[10], ARGV[11], 1)
  redis.call('HSET', workflows, run .. ' :parent', ARGV[8])
  write_launched(stores)
  wake_each(woken)
elseif wanted == 'retry' and ended and marked and goes_on then
  local pending, _, wake_key = keys_of(ARGV[8])
  revive(stores, time, run, ARGV[9], pending, wake_key)
elseif wanted ~= 'wait' or not known or ended then
  return 'AGAIN'
end
if marked then
  redis.call('HDEL', workflows, mark)
end
redis.call('HDEL', active, job)
redis.call('SREM', KEYS[11], job)
local _, due, wake_key = keys_of(0)
put_later(due, wake_key, time + tonumber(ARGV[6]), job)
return 'WAITING'
