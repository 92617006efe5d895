#!lua flags=allow-oom
-- save-step: stores the result of a step of a handler, so that no later attempt runs the step again.
-- KEYS 1 active, 2 leases, 3 notes
-- ARGV 1 worker, 2 id, 3 name as JSON, 4 result as JSON ('' = it gave nothing)
-- Returns LOST (no lease), GONE (not held by this worker), or SAVED. A step that is stored already stays as
--         it is: the call was sent again after a lost reply.
--@include held-by-worker

local active, leases, notes = KEYS[1], KEYS[2], KEYS[3]
local worker, id, name, result = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local refusal = refusal_of(active, leases, worker, id)
if refusal then
  return refusal
end
-- JSON holds no line break, not even in a string: so a name right after one belongs to a step, whatever the
-- results hold. The text is searched as it is: each long text that Lua makes costs as much as all else here.
local lines = redis.call('HGET', notes, id)
local start = '[' .. name
if lines and (string.find(lines, '\n' .. start, 1, true) or string.sub(lines, 1, #start) == start) then
  return 'SAVED'
end
local line = start .. (result == '' and '' or ',') .. result .. ']'
redis.call('HSET', notes, id, lines and lines .. '\n' .. line or line)
return 'SAVED'
