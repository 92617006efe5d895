#!lua
-- tick-run: settles the ticks of a schedule up to one of them, by a run of a workflow or a skip, once however
--           many workers try.
-- KEYS 1 jobs, 2 runs, 3 workflows, 4 schedules, 5 limited, 6 groups, 7 waiting, 8 running, 9 listeners,
--      10 active; then for each queue: pending, due, wake
-- ARGV 1 name, 2 last settled tick that the caller knows, 3 tick up to which all are settled now, which the
--      run is for, 4 overlap (allow, skip, replace), 5 newest tick that was missed and does not run (0 =
--      none), 6 run ('' = none, and nothing follows), 7 its record, 8 field and 9 text of its definition,
--      then what it begins with (see lib/launch-run)
-- Returns MOVED (another worker was here, or the schedule is gone), EARLY (nothing was done), WAITING (with
--         replace, as long as what is before it has not ended: only noted), or 1 if the run was started, else
--         0.
--@include now
--@include record
--@include schedule
--@include schedule-overlap
--@include wake
--@include put-later
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry
--@include begin-step
--@include in-chunks launch-run

local schedules = KEYS[4]
local stores = { jobs = KEYS[1], runs = KEYS[2], workflows = KEYS[3], running = KEYS[8], listeners = KEYS[9], active = KEYS[10] }
local gate = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = now() }
local name, up_to, overlap, run = ARGV[1], tonumber(ARGV[3]), ARGV[4], ARGV[6]

local function keys_of(place)
  local q = 11 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

local timing, last, paused, earlier, skipped, reason = split_schedule(redis.call('HGET', schedules, name))
if not timing or last ~= tonumber(ARGV[2]) or up_to <= last then
  return 'MOVED'
end
if up_to > gate.time then
  return 'EARLY'
end

local waited = reason == 'waiting'
if tonumber(ARGV[5]) > 0 then
  skipped, reason = tonumber(ARGV[5]), waited and 'overlap' or 'missed'
elseif waited then
  skipped, reason = 0, ''
end
local started = 0
if run ~= '' then
  if paused > 0 then
    skipped, reason = up_to, 'paused'
  elseif overlap ~= 'allow' and is_under_way(stores, earlier, overlap == 'skip' and '' or nil) then
    if overlap == 'replace' then
      redis.call('HSET', schedules, name, join_schedule(timing, last, paused, earlier, up_to, 'waiting'))
      return 'WAITING'
    end
    skipped, reason = up_to, 'overlap'
  elseif redis.call('HEXISTS', stores.workflows, run) == 0 then
    local woken = {}
    launch(stores, gate, woken, run, ARGV[7], 10, keys_of)
    pin(stores.workflows, ARGV[8], ARGV[9], 1)
    write_launched(stores)
    wake_each(woken)
    earlier, started = run, 1
  end
end
redis.call('HSET', schedules, name, join_schedule(timing, up_to, paused, earlier, skipped, reason))
return started
