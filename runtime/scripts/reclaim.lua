#!lua flags=allow-oom
-- reclaim: takes jobs back from a worker: after a crash (its lease has ended) or when it hands them back while stopping.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workers, 6 done, 7 dead, 8 keys, 9 cancels, 10 waits,
--      11 limited, 12 groups, 13 waiting; then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 reason (crashed | handed-back | not-started), 4 crashes that make a job dead, 5 keep (ms) of jobs that
--      end here without their own, 6 wait (ms) of a suspect, 7 number of queues, then their names; then ids that it may hold
-- Returns ALIVE (lease renewed meanwhile), or: ids of the jobs taken back, queues that the call did not declare. Without ids, it forgets the worker.
--@include now
--@include wake
--@include record
--@include condemn-worker
--@include drop-hole
--@include crash-verdict
--@include job-end
--@include dedupe
--@include rate gate-changes gate-groups gate-room gate
--@include undo-start

local jobs, runs, active, leases, workers, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local tag, worker, crashed, most, keep_ms = ARGV[1], ARGV[2], ARGV[3] == 'crashed', tonumber(ARGV[4]), ms_of(ARGV[5])
local keys, cancels, waits, gate = KEYS[8], KEYS[9], KEYS[10], { limited = KEYS[11], groups = KEYS[12], waiting = KEYS[13], time = now() }
local FIRST_QUEUE_KEY, queues, time, wait_ms, queue_key, taken, unknown = 14, tonumber(ARGV[7]), gate.time, ms_of(ARGV[6]), {}, {}, {}

if crashed and not condemn(leases, worker, time) then
  return 'ALIVE'
end
for q = 1, queues do
  queue_key[ARGV[7 + q]] = FIRST_QUEUE_KEY + 3 * (q - 1)
end

-- The job gives its slot back, which wakes a worker of the queue that may have it.
local function give_up(id, is_for_good)
  redis.call('HDEL', active, id)
  local q = queue_key[release(gate, id, is_for_good)]
  return q and wake(KEYS[q + 2])
end

local function finish(id, record, state, attempts, crashes, events, event)
  local options = options_of(record)
  give_up(id, true)
  redis.call('HSET', runs, id, join_run(attempts, crashes, state, 'null', events, event))
  redis.call('ZADD', state == 'dead' and dead or done, time + (tonumber(options.keepDeadMs) or keep_ms), id)
  free_key(keys, options, id)
  publish(waits, tag, id)
end

local function take_back(id)
  local record = redis.call('HGET', jobs, id)
  local attempts, crashes, state, detail, events, is_spoiled = split_run(redis.call('HGET', runs, id))
  local blamed, counted, verdict = crash_verdict(crashed, crashes, most, worker, events)
  local event, queue, options = string.format('[%.0f,"crashed","%s"]', time, worker), record and queue_of(record), record and options_of(record) or {}
  -- A step neither dies nor is cancelled here: its workflow must first learn of it, from the next claim.
  verdict = (is_spoiled or verdict == 'dead') and (queue and options.run and 'retry' or 'dead') or verdict
  local goes_on = ARGV[3] == 'not-started' and has_rested(events or '')
  if not record or record == '[0]' or state == 'completed' or state == 'dead' or state == 'cancelled' then
    give_up(id, true)
    pass_hole(jobs, runs, id, record, state == 'cancelled' and join_run(attempts, crashes, state, 'null', events, event))
  elseif (redis.call('SREM', cancels, id) == 1 and not (queue and options.run)) or (not goes_on and superseded(keys, options, id)) then
    finish(id, record, 'cancelled', attempts, crashes, events, string.format('[%.0f,"cancelled"]', time))
  elseif not queue or verdict == 'dead' then
    finish(id, record, 'dead', attempts, crashes + 1, events, event)
  elseif not queue_key[queue] then
    unknown[#unknown + 1] = queue
    return
  else
    local q = queue_key[queue]
    redis.call('HDEL', active, id)
    if blamed or verdict == 'retry' then
      redis.call('HSET', runs, id, join_run(attempts, counted, verdict, detail, events, blamed and event))
    end
    if verdict == 'retry' then
      give_up(id, false)
      redis.call('ZADD', KEYS[q + 1], time + wait_ms, id)
    elseif comes_back(gate, id, ARGV[3] ~= 'not-started') then
      redis.call('LPUSH', KEYS[q], id)
    end
    wake(KEYS[q + 2])
  end
  taken[#taken + 1] = id
end

for i = 8 + queues, #ARGV do
  if redis.call('HGET', active, ARGV[i]) == worker then
    take_back(ARGV[i])
  end
end
if #ARGV == 7 + queues then
  forget(leases, workers, worker)
end
return { taken, unknown }
