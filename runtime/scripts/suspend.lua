#!lua flags=allow-oom
-- suspend: pauses a schedule, or resumes it from now on.
-- KEYS 1 schedules
-- ARGV 1 name, 2 pause or resume
-- Returns NOTFOUND, or OK. Pausing twice keeps the first time; resuming a schedule that is not paused does
--         nothing.
--@include now
--@include schedule

local schedules = KEYS[1]
local name, pauses = ARGV[1], ARGV[2] == 'pause'

local timing, last, paused, job, skipped, reason = split_schedule(redis.call('HGET', schedules, name))
if not timing then
  return 'NOTFOUND'
end
if pauses == (paused == 0) then
  local time = now()
  -- Ticks during the pause are over, also when no worker ran to skip them.
  last = pauses and last or math.max(last, time)
  reason = not pauses and reason == 'waiting' and 'paused' or reason
  redis.call('HSET', schedules, name, join_schedule(timing, last, pauses and time or 0, job, skipped, reason))
end
return 'OK'
