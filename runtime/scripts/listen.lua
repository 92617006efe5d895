#!lua flags=allow-oom
-- listen: a handler listens to an event until its time is over; asked again, the script answers with the
--         result so far.
-- KEYS 1 active, 2 leases, 3 notes, 4 listeners, 5 listeners-expiry
-- ARGV 1 worker, 2 id, 3 name as JSON, 4 its member of listeners, 5 timeout (ms)
-- Returns LOST (no lease), GONE (not held by this worker); or until when it listens (ms) as text, and the
--         step that the wait has become: with the event, or without one when its time is over; '' while it
--         listens. The first call of a name counts.
--@include held-by-worker
--@include now
--@include handler-waits

local active, leases, time = KEYS[1], KEYS[2], now()
local worker, id, name, member, timeout = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ms_of(ARGV[5])
local stores = { notes = KEYS[3], listeners = KEYS[4], expiry = KEYS[5] }

local refusal = refusal_of(active, leases, worker, id)
if refusal then
  return refusal
end
local steps, lines = unpack(redis.call('HMGET', stores.notes, id, id .. ' waits'))
local at = steps and string.find('\n' .. steps, '\n[' .. name, 1, true)
if at then
  return { '0', string.match(steps, '^[^\n]*', at) }
end
lines = lines or ''
local token = string.match(member, '(%S+)$')
local line = line_of(lines, token)
if not line then
  local ends = string.format('%.0f', time + timeout)
  redis.call('HSET', stores.notes, id .. ' waits', lines .. '\n' .. token .. ' ' .. ends .. ' ' .. head_of(member))
  redis.call('ZADD', stores.listeners, 0, member)
  redis.call('ZADD', stores.expiry, ends, member)
  return { ends, '' }
elseif line.ends > time then
  return { string.format('%.0f', line.ends), '' }
end
local step = '[' .. name .. ']'
end_wait(stores, id, steps, lines, line, member, step, '')
return { '0', step }
