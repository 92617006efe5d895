#!lua
-- declare: declares the schedules of a deploy, and answers how far each has come.
-- KEYS 1 schedules
-- ARGV 1 fingerprint of all schedules of the deploy, 2 '1' from a worker that starts: its deploy is the
--      newest
--      3 silence (ms) of the newest deploy after which any other takes its place
--      then for each schedule: name, timing, definition (JSON, for readers)
-- Returns OTHER (a newer deploy decides), or: the time (ms), then the state of each schedule. A schedule that
--         is new, has another timing, or ticked before the clock of Redis was set back, begins now; a schedule
--         that the deploy does not have is removed.
--@include now
--@include schedule

local schedules = KEYS[1]
local fingerprint, starts, patience = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])
local NEWEST = '@'
-- A clock is set right by less than this all the time, and no tick may come twice for that.
local FAR_AHEAD_MS = 3600000

local time = now()
local newest, seen, heard = string.match(redis.call('HGET', schedules, NEWEST) or '', '^(%S+) (%d+) ?(%d*)$')
local is_other = newest ~= fingerprint
if newest and is_other and not starts then
  -- If no worker was heard, Redis stood still or its clock jumped: the patience with the newest deploy starts
  -- again.
  -- Times to come were written before the clock of Redis was set back.
  seen, heard = math.min(tonumber(seen), time), math.min(tonumber(heard) or 0, time)
  local silent = time - math.max(seen, heard) > patience / 2
  if silent or time - seen < patience then
    redis.call('HSET', schedules, NEWEST, string.format('%s %.0f %.0f', newest, silent and time or seen, time))
    return 'OTHER'
  end
end

local known, states = { [NEWEST] = true }, { string.format('%.0f', time) }
for at = 4, #ARGV, 3 do
  local name, timing, definition = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  known[name], known[name .. ' definition'] = true, true
  local state = redis.call('HGET', schedules, name)
  local before, last, paused, job = split_schedule(state)
  if before ~= timing or last > time + FAR_AHEAD_MS then
    -- A pause was set by an operator, and a deploy does not lift it; and the last job may still be under way.
    state = join_schedule(timing, time, paused or 0, job or '', 0, '')
    redis.call('HSET', schedules, name, state)
  end
  if is_other then
    redis.call('HSET', schedules, name .. ' definition', definition)
  end
  states[#states + 1] = state
end
local fields = is_other and redis.call('HKEYS', schedules) or {}
for i = 1, #fields do
  if not known[fields[i]] then
    redis.call('HDEL', schedules, fields[i])
  end
end
redis.call('HSET', schedules, NEWEST, fingerprint .. ' ' .. states[1])
return states
