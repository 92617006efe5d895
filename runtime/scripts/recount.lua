#!lua flags=allow-oom
-- recount: counts the slots of one group anew, or the jobs of a queue at the gate, if nobody can have come
--          since the auditor looked.
-- KEYS 1 active, 2 limited, 3 groups, 4 waiting, 5 paused; then for each queue: due, wake
-- ARGV 1 look | mend, 2 group, '' for a queue; 3 queue, 4 most members of waiting to walk for its count; 5
--      how many of the group were seen to wait, with numbers up to the last; 6 the count as seen, 7 the last
--      number given before the look, 8 number of queues, then their names; then the ids that were seen to
--      have an entry of the group and not to wait at the gate
-- Returns MOVED (others may have come meanwhile; nothing is known), RIGHT (nothing is wrong), WRONG (look),
--         or REPAIRED (mend)
--@include now
--@include wake
--@include rate gate-changes gate-groups gate-room gate

local active, limited, groups, waiting, paused = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local gate = { limited = limited, groups = groups, waiting = waiting, time = now() }
local only_looks, group, queue, last, queues = ARGV[1] == 'look', ARGV[2], ARGV[3], ARGV[7], tonumber(ARGV[8])
local field = group == '' and '#' .. queue or group
local is_still = (redis.call('HGET', groups, '#') or '0') == last

if (redis.call('HGET', groups, field) or '0') ~= ARGV[6] then
  return 'MOVED'
end
if group == '' then
  if redis.call('ZLEXCOUNT', waiting, '(\14', '+') > tonumber(ARGV[4]) then
    return 'MOVED'
  end
  local members, n = redis.call('ZRANGEBYLEX', waiting, '(\14', '+'), 0
  for i = 1, #members do
    n = n + (string.match(members[i], '\n%d+ (%S+) %S+$') == queue and 1 or 0)
  end
  if n == tonumber(ARGV[6]) then
    return 'RIGHT'
  elseif not only_looks then
    redis.call('HSET', groups, field, n)
  end
  return only_looks and 'WRONG' or 'REPAIRED'
end

-- A job with a later number stands after the first waiting one. If no other job has entered or left, no job
-- holds a slot that the look has not seen.
local up_to_last = redis.call('ZLEXCOUNT', waiting, '[' .. group .. '\n', string.format('(%s\n%016.0f', group, tonumber(last) + 1))
local first = first_of(gate, group, 1)[1]
local number, first_queue = string.match(first or '', '\n(%d+) (%S+) %S+$')
if up_to_last ~= tonumber(ARGV[5]) or not (is_still or (first and tonumber(number) <= tonumber(last))) then
  return 'MOVED'
end
local due_of, wake_of, FIRST_QUEUE_KEY = {}, {}, 6
for q = FIRST_QUEUE_KEY, #KEYS, 2 do
  local name = ARGV[9 + (q - FIRST_QUEUE_KEY) / 2]
  due_of[name], wake_of[name] = KEYS[q], KEYS[q + 1]
end
local held, listed = 0, 0
for i = 9 + queues, #ARGV do
  local entry = redis.call('HGET', limited, ARGV[i])
  local n, of, name = string.match(entry or '', '^(%d+) (%S+) (.*)$')
  if name ~= group or redis.call('ZSCORE', waiting, group .. '\n' .. n .. ' ' .. of .. ' ' .. ARGV[i]) then
    return 'MOVED'
  end
  if not (due_of[of] and redis.call('ZSCORE', due_of[of], ARGV[i])) then
    held = held + 1
    listed = listed + 1 - redis.call('HEXISTS', active, ARGV[i])
  end
end

local counted = group_of(gate, group)
local places = counted.rule.rate and tonumber(string.match(counted.text or '', '^%d+ (%d+)') or 0) or 0
local opens = first and opens_at(gate, counted) or math.huge
local at = opens > 0 and opens < math.huge and string.format('%016.0f\n', opens) or ''
local noted = opens == math.huge or redis.call('ZSCORE', waiting, '\n' .. first_queue .. '\n' .. at .. group)
  or redis.call('ZSCORE', waiting, '\n' .. first_queue .. '\v' .. group)
-- Or the task was resumed, and claims have not come to this group yet.
local reopened = string.match(redis.call('HGET', paused, 'task:' .. string.match(group, '^%S+')) or '', '^0 (.*)$')
noted = noted or (reopened and group > reopened)
local is_wrong = held ~= counted.held or places > listed or not noted
if only_looks or not is_wrong then
  return is_wrong and 'WRONG' or 'RIGHT'
end
counted.held, counted.reserved = held, math.min(places, listed)
changed(gate, counted)
local woken = invite(gate, counted)
if woken and wake_of[woken] then
  wake(wake_of[woken])
end
return 'REPAIRED'
