#!lua flags=allow-oom
-- fail: ends an attempt that did not complete: the job waits for its retry, sleeps, waits for an event, goes
--       dead, or was cancelled.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 done, 6 dead, 7 keys, 8 cancels, 9 waits, 10 notes,
--      11 limited, 12 groups, 13 waiting, 14 workflows; of the job's queue: 15 due, 16 wake
-- ARGV 1 tag, 2 worker, 3 id, 4 outcome (retry | unserved | dead | cancelled), 5 run, 6 ms: until the retry,
--      or to keep the job (0 = remove it), 7 keep (ms) of a job that was to be retried and is cancelled
--      instead, 8 name as JSON of the wait for an event until which it rests ('' = none): one that has ended
--      meanwhile is gone on with at once
-- Returns LOST (no lease), GONE (not held by this worker, or this very failure is written already), or the
--         outcome, followed by the queues for which the worker leaves hints. Unserved is a retry of a job that
--         has not started here. A retry becomes cancelled if that was requested, or if a newer job has taken
--         its place.
--@include now
--@include wake
--@include put-later
--@include rate gate-changes gate-groups gate-room gate queues-to-hint undo-start
--@include record
--@include job-end
--@include dedupe

local jobs, runs, active, leases, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local keys, cancels, waits, notes, workflows = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[14]
local due, wake_key = KEYS[15], KEYS[16]
local gate = { limited = KEYS[11], groups = KEYS[12], waiting = KEYS[13], time = now() }
local tag, worker, id, outcome, run = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local ms, keep_ms = ms_of(ARGV[6]), ms_of(ARGV[7])

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
local attempts, crashes, state, _, events = split_run(run)
local stored, stem = redis.call('HGET', runs, id), string.sub(events, 1, -2) .. ','
local _, _, _, _, stored_events = split_run(stored)
-- A call that is sent again after a lost reply may arrive when the same worker already holds the next
-- attempt. No two attempts write the same run: each adds an event, or puts a later one in place of the last.
-- So the failure is known where the stored run is this one, or has gone on from it: by a retry, for example.
if redis.call('HGET', active, id) ~= worker or stored == run or string.sub(stored_events or '', 1, #stem) == stem then
  return 'GONE'
end
local record, time = redis.call('HGET', jobs, id), gate.time
local options = record and options_of(record) or {}
if ARGV[8] ~= '' and string.find('\n' .. (redis.call('HGET', notes, id) or ''), '\n[' .. ARGV[8], 1, true) then
  ms = 0
end
redis.call('HDEL', active, id)
if outcome == 'unserved' then
  uncount(gate, id, false)
  outcome = 'retry'
end
local asked = redis.call('SREM', cancels, id) == 1 and outcome == 'retry'
-- A job that sleeps is under way, and goes on although there is a newer one.
local is_old = outcome == 'retry' and state == 'retry' and superseded(keys, options, id)
-- A job that undoes a step is tried again for as long as it takes.
local is_over = outcome == 'retry' and options.run and not options.undo and redis.call('HEXISTS', workflows, options.run .. ' :state') == 1
if (asked and options.run) or is_over then
  -- The workflow has to learn of it, from the worker that claims the job next.
  ms = 0
elseif asked or is_old then
  local event = string.format('[%.0f,"cancelled"]', time)
  outcome, ms, run = 'cancelled', keep_ms, join_run(attempts, crashes, 'cancelled', 'null', events, event)
end

-- Also where the next job of the group is of another queue: a needless hint costs one look.
if release(gate, id, outcome ~= 'retry') then
  wake(wake_key)
end
local reply = gate.invited and outcome .. ' ' .. to_hint(gate, {}) or outcome
if outcome == 'retry' then
  redis.call('HSET', runs, id, run)
  put_later(due, wake_key, time + ms, id)
  return reply
end

free_key(keys, options, id)
if ms > 0 then
  redis.call('HSET', runs, id, run)
  redis.call('ZADD', outcome == 'dead' and dead or done, time + ms, id)
else
  redis.call('HDEL', jobs, id)
  redis.call('HDEL', runs, id)
  forget_notes(notes, { id })
end
publish(waits, tag, id)
return reply
