#!lua
-- tick: settles the ticks of a schedule up to one of them, by a job or a skip, once however many workers try.
-- KEYS 1 jobs, 2 runs, 3 schedules, 4 limited, 5 groups, 6 waiting, 7 draining, 8 workflows, 9 active; of the
--      task's queue: 10 pending, 11 due, 12 wake
-- ARGV 1 name, 2 last settled tick that the caller knows, 3 tick up to which all are settled now, 4 overlap
--      (allow, skip, replace), 5 most pending jobs of the queue (0 = any number), 6 newest tick that was
--      missed and does not run (0 = none), 7 queue, 8 '' or '<limits> <group>' (see lib/gate-entry); then for
--      each tick that runs, oldest first: tick, id, record ('\1' = the time), due time
-- Returns MOVED (another worker was here, or the schedule is gone), EARLY, FULL (nothing was done), or the
--         number of jobs that were stored.
--@include now
--@include record
--@include schedule
--@include schedule-overlap
--@include wake
--@include put-later
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry
--@include is-drained

local stores = { jobs = KEYS[1], runs = KEYS[2], workflows = KEYS[8], active = KEYS[9] }
local jobs, schedules, draining = stores.jobs, KEYS[3], KEYS[7]
local pending, due, wake_key = KEYS[10], KEYS[11], KEYS[12]
local gate = { limited = KEYS[4], groups = KEYS[5], waiting = KEYS[6], time = now() }
local name, up_to, skips_overlap, most = ARGV[1], tonumber(ARGV[3]), ARGV[4] == 'skip', tonumber(ARGV[5])
local queue = ARGV[7]

local timing, last, paused, job, skipped, reason = split_schedule(redis.call('HGET', schedules, name))
if not timing or last ~= tonumber(ARGV[2]) or up_to <= last then
  return 'MOVED'
end
local time = gate.time
if up_to > time then
  return 'EARLY'
end

local function is_full()
  return most > 0 and redis.call('LLEN', pending) + (redis.call('HGET', gate.groups, '#' .. queue) or 0) >= most
end

local function put(id, record, at)
  redis.call('HSET', jobs, id, (string.gsub(record, '\1', string.format('%.0f', time))))
  local limits, group = string.match(ARGV[8], '^(%S+) (.*)$')
  local entry = limits and register(gate, id, queue, limits, group)
  if at > time then
    put_later(due, wake_key, at, id)
  else
    enter_or_wait(gate, id, entry, pending, wake_key)
  end
end

-- A tick that waited for a run, before a deploy that makes jobs.
if reason == 'waiting' then
  skipped, reason = 0, ''
end
if tonumber(ARGV[6]) > 0 then
  skipped, reason = tonumber(ARGV[6]), 'missed'
end
local stored, drained = 0, redis.call('GET', draining)
for at = 9, #ARGV, 4 do
  local tick, id, record = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  if paused > 0 then
    skipped, reason = tick, 'paused'
  elseif drained and is_drained(drained, queue, record) then
    skipped, reason = tick, 'draining'
  elseif skips_overlap and is_under_way(stores, job, string.match(record, '^%[%d+,"([^"]*)"')) then
    skipped, reason = tick, 'overlap'
  elseif stored == 0 and is_full() then
    return 'FULL'
  elseif redis.call('HEXISTS', jobs, id) == 0 then
    put(id, record, ms_of(ARGV[at + 3]))
    job, stored = id, stored + 1
  end
end
redis.call('HSET', schedules, name, join_schedule(timing, up_to, paused, job, skipped, reason))
return stored
