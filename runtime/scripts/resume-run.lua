#!lua flags=allow-oom
-- resume-run: a workflow run that is retried forgets the ends of the steps that run again, a part at a time; with the last part it goes on.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 done, 7 dead, 8 notes, 9 limited, 10 groups, 11 waiting,
--      12 listeners, 13 cancels; then for each queue: pending, due, wake
-- ARGV 1 worker, 2 job that decides, 3 run, 4 1 with the last part, else 0, 5 1 if what the handlers of the jobs that are removed
--      have noted stays, else 0, 6 number of queues in which its jobs may stand, then these, the first ones of KEYS, number of fields
--      to remove, then these, number of fields that get another name, then both names of each, number of jobs of earlier attempts to
--      remove, then these, number of fields to write, then these and their values, number of its listeners, then these, number of jobs
--      that it waits for before it ends, then for each job that begins: job, queue, delay (ms), limit, record
-- Returns LOST, GONE (the worker does not hold the job), MOVED (the run is not retried any longer), or RESUMED. With the last part
--         the job ends too, unless nothing begins: then it has to decide again.
--@include now wake put-later record job-end
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry begin-step held-by-worker withdraw-from-gate take-back-job

local jobs, runs, active, leases, workflows, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local notes, gate = KEYS[8], { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
local worker, job, run, woken, at = ARGV[1], ARGV[2], ARGV[3], {}, 6

local refusal = refusal_of(active, leases, worker, job)
if refusal then
  return refusal
end
if redis.call('HGET', workflows, run .. ' :state') ~= 'retrying' then
  return 'MOVED'
end

-- Positions of the first and the last argument of the next list.
local function take_list(size)
  local first, last = at + 1, at + size * tonumber(ARGV[at])
  at = last + 1
  return first, last
end
local first, last = take_list(1)
local stores, place_of = { jobs = jobs, runs = runs, active = active, cancels = KEYS[13], gate = gate }, {}
for i = first, last do
  place_of[ARGV[i]] = 14 + 3 * (i - first)
end
first, last = take_list(1)
local _ = last >= first and redis.call('HDEL', workflows, unpack(ARGV, first, last))
first, last = take_list(2)
for i = first, last, 2 do
  local text = redis.call('HGET', workflows, ARGV[i])
  _ = text and redis.call('HSET', workflows, ARGV[i + 1], text) and redis.call('HDEL', workflows, ARGV[i])
end
first, last = take_list(1)
for i = first, last do
  take_back(stores, ARGV[i], place_of)
  redis.call('HDEL', jobs, ARGV[i])
  redis.call('HDEL', runs, ARGV[i])
  redis.call('ZREM', done, ARGV[i])
  redis.call('ZREM', dead, ARGV[i])
  if ARGV[5] == '1' then
    redis.call('HDEL', notes, ARGV[i] .. ' waits')
  else
    forget_notes(notes, { ARGV[i] })
  end
end
first, last = take_list(2)
_ = last >= first and redis.call('HSET', workflows, unpack(ARGV, first, last))
if ARGV[4] == '0' then
  return 'RESUMED'
end
first, last = take_list(1)
for i = first, last do
  redis.call('ZADD', KEYS[12], 0, ARGV[i])
end

for i = at + 1, #ARGV, 5 do
  local id, q, text = ARGV[i], 14 + 3 * ARGV[i + 1], redis.call('HGET', runs, ARGV[i])
  take_back(stores, id, place_of)
  -- The notes of its handler stay: what it has done already is not done again.
  if text then
    local event, _, _, _, _, events = string.format('[%.0f,"retried"]', gate.time), split_run(text)
    redis.call('HSET', runs, id, join_run(0, 0, 'pending', 'null', events or '[]', event))
    redis.call('ZREM', done, id)
    redis.call('ZREM', dead, id)
  end
  begin_step(jobs, gate, woken, id, KEYS[q], KEYS[q + 1], KEYS[q + 2], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4])
end
redis.call('HDEL', workflows, run .. ' :state')
if ARGV[at] ~= '0' then
  redis.call('HSET', workflows, run .. ' :open', ARGV[at])
  redis.call('HDEL', active, job)
  redis.call('HDEL', jobs, job)
  redis.call('HDEL', runs, job)
end
wake_each(woken)
return 'RESUMED'
