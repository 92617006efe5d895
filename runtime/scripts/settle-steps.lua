#!lua flags=allow-oom
-- settle-steps: ends steps of workflow runs, and enqueues what begins with that. Sent again, it does nothing twice.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 waits, 7 cancels, 8 notes, 9 limited, 10 groups, 11 waiting;
--      then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 n, then n x (job, 1 if the job ends with the step or 0 if another script ends it); then for each:
--      run, step ('' = none), its outcome, state of the run from now on ('' = as it is), step whose item it is ('' = none),
--      number of its items, queue and record of the job that decides, jobs to hasten, number of steps that may begin, and those:
--      step, need, job, queue, delay (ms), limit, record. Need: n = with the nth end, 0 = while the run goes on, -1 = always
-- Returns LOST, or the number of jobs that began
--@include now
--@include wake
--@include later
--@include finish
--@include rate book group gate
--@include come
--@include throng
--@include acknowledge
--@include begin
--@include hasten

local jobs, runs, active, leases, workflows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local waits, cancels, notes = KEYS[6], KEYS[7], KEYS[8]
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
local tag, worker, n, woken, begun = ARGV[1], ARGV[2], tonumber(ARGV[3]), {}, 0

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end

local ended, held = {}, {}
for i = 1, n do
  local id = ARGV[2 + 2 * i]
  held[i] = redis.call('HGET', active, id) == worker
  if held[i] and ARGV[3 + 2 * i] == '1' then
    ended[#ended + 1] = id
  end
end
end_held(jobs, runs, active, waits, cancels, notes, tag, gate, ended)

local function enqueue(id, queue, delay, limit, record)
  local q = 12 + 3 * queue
  begin(jobs, gate, woken, id, KEYS[q], KEYS[q + 1], KEYS[q + 2], delay, limit, record)
end

local function settle(at, run, step, outcome, state, parent)
  -- Not the record: it holds the input, which may be long, and would be read for each end.
  local facts = redis.call('HMGET', workflows, run .. ' :open', run .. ' :state', run .. ' ' .. step)
  if not facts[1] or (step ~= '' and facts[3]) then
    return
  end
  local _ = step ~= '' and redis.call('HSET', workflows, run .. ' ' .. step, outcome)
  if state ~= '' and redis.call('HSETNX', workflows, run .. ' :state', state) == 1 then
    local q = 12 + 3 * ARGV[at + 6]
    hasten(ARGV[at + 8], KEYS[q], KEYS[q + 1], KEYS[q + 2], woken)
  end
  local goes_on, whole, count = not facts[2] and state == '', true, 0
  local _ = parent ~= '' and state ~= '' and redis.call('HSETNX', workflows, run .. ' ' .. parent, outcome)
  if parent ~= '' and state == '' then
    whole = redis.call('HINCRBY', workflows, run .. ' ' .. parent .. '*#', 1) == tonumber(ARGV[at + 5])
    _ = whole and redis.call('HSET', workflows, run .. ' ' .. parent, 'c' .. string.match(outcome, '%d+') .. ' null')
  end
  for i = at + 10, at + 3 + 7 * tonumber(ARGV[at + 9]), 7 do
    local need = tonumber(ARGV[i + 1])
    if need < 0 or (goes_on and ((need == 0 and redis.call('HEXISTS', workflows, run .. ' ' .. ARGV[i]) == 0)
      or (whole and redis.call('HINCRBY', workflows, run .. ' ' .. ARGV[i] .. '#', 1) == need))) then
      enqueue(ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5], ARGV[i + 6])
      count = count + 1
    end
  end
  -- Nothing of the run is under way: somebody has to say how it goes on.
  if count ~= 1 and redis.call('HINCRBY', workflows, run .. ' :open', count - 1) == 0 then
    redis.call('HSET', workflows, run .. ' :open', 1)
    enqueue(run .. ':end', ARGV[at + 6], 0, '', ARGV[at + 7])
    count = count + 1
  end
  begun = begun + count
end

local at = 4 + 2 * n
for i = 1, n do
  local _ = held[i] and settle(at, unpack(ARGV, at, at + 4))
  at = at + 10 + 7 * tonumber(ARGV[at + 9])
end
wake_each(woken)
return begun
