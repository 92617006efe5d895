#!lua flags=allow-oom
-- cancel-run: a workflow run begins nothing more, and undoes what has completed. Sent again, it does nothing
--             twice. Of the jobs named, active ones are asked to stop; those that wait for a time or at the
--             gate need not any longer.
-- KEYS 1 jobs, 2 active, 3 workflows, 4 cancels, 5 limited, 6 groups, 7 waiting; then for each queue:
--      pending, due, wake
-- ARGV 1 run, 2 its job that stops what is under way ('' = none: it was cancelled before), 3 queue of that,
--      4 and 5 the record of that before and after what it says of the run, then for each job: id, queue
-- Returns NOTFOUND, RUNNING (it goes on, and nothing was done), or the state of the run from now on, which is
--         its end if it has ended
--@include now
--@include wake
--@include rate gate-changes gate-groups gate-room gate
--@include withdraw-from-gate hasten-jobs

local jobs, active, workflows, cancels, run, stopper, woken = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], {}
local gate = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = now() }

local function keys_of(place)
  local q = 8 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local record, state, open = unpack(redis.call('HMGET', workflows, run, run .. ' :state', run .. ' :open'))
if not record then
  return 'NOTFOUND'
end
if state and string.find(state, ' ', 1, true) then
  return state
end
local goes_on = not state or state == 'retrying'
if goes_on and stopper == '' then
  return 'RUNNING'
end
-- The run counts this job and so ends after it: the job never meets a later life of the run. While a job
-- decides, nothing is under way. A list that is a key of another type is refused before anything is written.
if stopper ~= '' and redis.call('HEXISTS', jobs, stopper) + redis.call('HEXISTS', jobs, run .. ':end') == 0 then
  local pending, _, wake_key = keys_of(ARGV[3])
  redis.call('RPUSH', pending, stopper)
  redis.call('HSET', jobs, stopper, string.format('%s"run":"%s","at":%.0f,%s', ARGV[4], run, gate.time, ARGV[5]))
  redis.call('HSET', workflows, run .. ' :open', (tonumber(open or 0) or 0) + 1)
  woken[wake_key] = true
end
-- A run that is failing already goes on to fail.
if goes_on then
  state = 'cancelling'
  redis.call('HSET', workflows, run .. ' :state', state)
end
for i = 6, #ARGV, 2 do
  local id, pending, due, wake_key = ARGV[i], keys_of(ARGV[i + 1])
  if redis.call('HEXISTS', active, id) == 1 then
    redis.call('SADD', cancels, id)
  else
    -- The job is not ended here: its run has to learn of it, from the worker that claims the job.
    hasten_one(gate, id, pending, due, wake_key, woken)
  end
end
wake_each(woken)
return state
