#!lua flags=allow-oom
-- settle-steps: ends steps of workflow runs, and begins what comes after, which may stay with the worker.
--               Sent again, it does nothing twice.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 waits, 7 cancels, 8 notes, 9 limited, 10 groups,
--      11 waiting, 12 paused, 13 running, 14 ended; then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 number of templates, then these (see lib/job-template), number of plans, then
--      these, then the ends (see lib/step-ends)
-- Returns LOST, or a list: number of jobs that began, time (ms) as text, jobs that the worker carries on with
--         ("<end> <begin>", separated by commas; ends count from 0, begins from 1, 0 is the job that
--         decides), ends with which runs have ended (separated by spaces), 1 if slots at the gate have come
--         free (else 0), queues for which the worker leaves hints
--@include now wake put-later job-end
--@include rate gate-changes gate-groups gate-room gate queues-to-hint
--@include gate-entry
--@include clear-rare gate-many
--@include acknowledge
--@include begin-step
--@include withdraw-from-gate hasten-jobs
--@include in-chunks hash-cache job-template step-ends carry-on complete-runs

local jobs, active, leases, workflows = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
local tag, worker, woken, begun = ARGV[1], ARGV[2], {}, 0
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
gate.stamp = string.format('","at":%.0f,', gate.time)

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end

local function queue_of(place)
  local q = 15 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local paused = redis.call('EXISTS', KEYS[12]) == 1 and KEYS[12]
local function start(one, place, template, item, may_carry)
  make_job(gate, woken, template, one.run, item, may_carry and carries(paused, one, place, template) and worker)
  begun = begun + 1
end

local function settle(one)
  if not known[one.open] or (one.own and known[one.own]) then
    return
  end
  local _ = one.own and put(one.own, one.outcome)
  local goes_on, whole, before = not known[one.state] and not one.turns_to, true, begun
  if turns(one) then
    put(one.state, one.turns_to)
    hasten(gate, one.hastened, queue_of, woken)
  end
  if one.parent and not one.turns_to then
    whole = add(one.items, 1) == one.total
    _ = whole and put(one.parent, 'c' .. string.match(one.outcome, '%d+') .. ' null')
  elseif one.parent and not known[one.parent] then
    put(one.parent, one.outcome)
  end
  for i = 1, #one.plan do
    local job = one.plan[i]
    if (goes_on or job.need < 0) and ((job.need <= 0 and not known[one.head .. job.field])
      or (job.need > 0 and whole and add(one.head .. job.field, 1) == job.need)) then
      start(one, i, job.template, job.item, job.may_carry)
    end
  end
  -- Nothing of the run is under way: it has ended, or a job has to decide how it goes on. (Below 0 the count
  -- was spoiled.)
  if begun ~= before + 1 and add(one.open, begun - before - 1) <= 0 and not completes(one, gate.time) then
    put(one.open, '1')
    start(one, 0, one.plan.decider, '', one.plan.may_decide)
  end
end

local templates, behind = read_templates(3, queue_of)
local held, ended = read_ends(active, worker, read_plans(behind, templates))
read_asked(workflows)
end_held(jobs, KEYS[2], active, KEYS[6], KEYS[7], KEYS[8], tag, gate, ended)
for i = 1, #held do
  settle(held[i])
end
local refusal = write_made(jobs, active)
write_known(workflows)
write_completed(workflows, KEYS[13], KEYS[14], KEYS[6], tag, gate.time)
wake_each(woken)
if refusal then
  error(refusal, 0)
end
local freed, hints = gate.has_freed and 1 or 0, to_hint(gate, {})
return { begun, string.format('%.0f', gate.time), table.concat(carried, ','), table.concat(completed_by, ' '), freed, hints }
