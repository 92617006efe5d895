#!lua flags=allow-oom
-- settle-steps: ends steps of workflow runs, and enqueues what begins with that. Sent again, it does nothing twice.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 waits, 7 cancels, 8 notes, 9 limited, 10 groups, 11 waiting;
--      then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 number of molds, then these (see lib/mold), then the ends (see lib/ends)
-- Returns LOST, or the number of jobs that began
--@include now wake later finish
--@include rate book group gate
--@include come
--@include throng
--@include acknowledge
--@include begin
--@include hasten
--@include facts mold ends

local jobs, active, leases, workflows = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
local tag, worker, woken, begun = ARGV[1], ARGV[2], {}, 0
local gate = { limited = KEYS[9], groups = KEYS[10], waiting = KEYS[11], time = now() }
gate.stamp = string.format('","at":%.0f,', gate.time)

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end

local function queue_of(place)
  local q = 12 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local function settle(one)
  if not known[one.open] or (one.own and known[one.own]) then
    return
  end
  local _ = one.own and put(one.own, one.outcome)
  local goes_on, whole, count = not known[one.state] and not one.turns_to, true, 0
  if one.turns_to and not known[one.state] then
    put(one.state, one.turns_to)
    hasten(one.hastened, queue_of, woken)
  end
  if one.parent and not one.turns_to then
    whole = add(one.items, 1) == one.total
    _ = whole and put(one.parent, 'c' .. string.match(one.outcome, '%d+') .. ' null')
  elseif one.parent and not known[one.parent] then
    put(one.parent, one.outcome)
  end
  for i = 1, #one.begins do
    local job = one.begins[i]
    if job.need < 0 or (goes_on and ((job.need == 0 and not known[job.field])
      or (job.need > 0 and whole and add(job.field, 1) == job.need))) then
      make(gate, woken, job.mold, one.run, job.item)
      count = count + 1
    end
  end
  -- Nothing of the run is under way: somebody has to say how it goes on. (Less than 0: the count was spoiled.)
  if count ~= 1 and add(one.open, count - 1) <= 0 then
    put(one.open, '1')
    make(gate, woken, one.decider, one.run, '')
    count = count + 1
  end
  begun = begun + count
end

local molds, first = read_molds(3, queue_of)
local ids, ends, ended = {}, {}, {}
for at = first, #ARGV, 7 do
  ids[#ids + 1] = ARGV[at]
end
local owners = redis.call('HMGET', active, unpack(ids))
for i = 1, #ids do
  if owners[i] == worker then
    local one, ends_job = read_end(molds, first + 7 * i - 7)
    ends[#ends + 1], ended[#ended + 1] = one, ends_job and ids[i] or nil
  end
end
read_asked(workflows)
end_held(jobs, KEYS[2], active, KEYS[6], KEYS[7], KEYS[8], tag, gate, ended)
for i = 1, #ends do
  settle(ends[i])
end
local refusal = write_made(jobs)
write_known(workflows)
wake_each(woken)
if refusal then
  error(refusal, 0)
end
return begun
