#!lua flags=allow-oom
-- advance: one round trip of a worker: acknowledges what it completed, renews its lease, moves what is due,
--          claims what is free.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 done, 6 waits, 7 cancels, 8 paused, 9 notes, 10 limited,
--      11 groups, 12 waiting; then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 lease (ms, 0 = do not renew), 4 want, 5 most claimed jobs to answer with their
--      texts
--      6 completed, nothing kept: n, then n ids
--      then completed and kept: n, then n x (id, run, keep ms)
--      then for each queue: name, quota
-- Returns LOST; or ms until the next due time (-1 = none), 1 if more is waiting (else 0), the claimed ids in
--         one text, position (from 0) and run of each that has a run, queues for which the worker leaves
--         hints; then, when the claimed are few, their records. An acknowledged id that the worker does not
--         hold is skipped.
--@include now wake
--@include acknowledge promote claim

local jobs, runs, active, leases, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local waits, cancels, paused, notes, limited = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
-- Lua unpacks at most about 8,000 values: a larger claim would stop the script after the ids have left their
-- lists.
local tag, worker, want = ARGV[1], ARGV[2], math.min(tonumber(ARGV[4]), 1000)
local FIRST_QUEUE_KEY = 13

local time, lease = now(), redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
if ARGV[3] ~= '0' then
  redis.call('ZADD', leases, time + tonumber(ARGV[3]), worker)
end

-- One command asks for everything that is rare. The functions for it are not even created for a shard without
-- it: that would double the cost of a small call (decision 60).
local rare, clear, gated = redis.call('EXISTS', waits, cancels, paused, notes, limited) > 0, nil, nil
if rare then
--@include job-end clear-rare
  clear = function(held, keeps_log)
    clear_rare(waits, cancels, notes, tag, held, keeps_log)
  end
end
-- One EXISTS tells which of the two keys are there: the second counts twice.
local there = rare and redis.call('EXISTS', paused, limited, limited) or 0
if there > 0 then
--@include rate gate-changes gate-groups gate-room gate
--@include record paused-tasks gate-many savings groups-to-admit admit
--@include count-starts gate-openings queues-to-hint turns resumed-tasks claim-past-paused gated-advance
  local gate = { limited = limited, groups = KEYS[11], waiting = KEYS[12], time = time, jobs = jobs, runs = runs }
  gated = gated_advance(gate, there > 1, there % 2 == 1 and paused, want)
  function gated.clear(held, keeps_log)
    gated.let_out(held)
    local _ = redis.call('EXISTS', cancels, notes, waits) > 0 and clear(held, keeps_log)
  end
end
local at = acknowledge(jobs, runs, active, done, worker, time, 6, gated and gated.clear or clear)

local next_due, pending, quotas, wakes, names = -1, {}, {}, {}, {}
for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  next_due = sooner(next_due, promote(KEYS[q], KEYS[q + 1], KEYS[q + 2], time, gated and gated.enter))
end
local _ = gated and gated.call_up(at, FIRST_QUEUE_KEY)
for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  if gated and gated.admit(ARGV[at], KEYS[q]) then
    wake(KEYS[q + 2])
  end
  if want > 0 and not (gated and gated.is_shut(ARGV[at])) then
    local p = #pending + 1
    pending[p], quotas[p], wakes[p], names[p] = KEYS[q], tonumber(ARGV[at + 1]), KEYS[q + 2], ARGV[at]
  end
  at = at + 2
end

local claimed, hints, more = gated and gated.claim(pending, quotas, names, wakes) or claim(pending, quotas, want), '', 0
own(active, worker, claimed)
if gated then
  next_due, hints = gated.close(next_due)
end
for q = 1, #claimed == want and #pending or 0 do
  if redis.call('EXISTS', pending[q]) == 1 then
    more = 1
    wake(wakes[q])
  end
end

local reply = { next_due, more, table.concat(claimed, ' '), runs_of(runs, claimed), hints }
if #claimed > 0 and #claimed <= tonumber(ARGV[5]) then
  reply[6] = redis.call('HMGET', jobs, unpack(claimed))
end
return reply
