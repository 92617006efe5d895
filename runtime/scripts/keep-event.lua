#!lua
-- keep-event: keeps an event for its retention, with its actions that are settled; kept again under its id,
--             it stays.
-- KEYS 1 events, 2 events-expiry, 3 jobs, 4 workflows
-- ARGV 1 its field, 2 its payload, 3 how long it is kept (ms), 4 actions that are settled, 5 actions that are
--      not, after all, unless their job or run is there, each with the id of that; all separated by spaces
-- Returns KEPT, or CONFLICT when an event with another payload is kept under this id
--@include now
--@include same-json

local events, expiry, field = KEYS[1], KEYS[2], ARGV[1]
local open, seen, settled = {}, {}, {}
local known, time, ends = redis.call('HGET', events, field), now(), redis.call('ZSCORE', expiry, field)
local head, before, payload = string.format('[1,%.0f,"', time), '', ARGV[2]

-- Until a sweep has removed it, an event whose retention has ended is there, but not kept any more.
if known and not (ends and tonumber(ends) <= time) then
  head, before, payload = string.match(known, '^(%[1,%d+,")([^"]*)",(.*)%]$')
  if not payload or not same_json(payload, ARGV[2]) then
    return 'CONFLICT'
  end
else
  redis.call('ZADD', expiry, time + tonumber(ARGV[3]), field)
end

-- The producer may not know: its call was delivered when it had given up, or another producer was faster.
for action, id in string.gmatch(ARGV[5], '(%S+) (%S+)') do
  open[action] = redis.call('HEXISTS', KEYS[3], id) + redis.call('HEXISTS', KEYS[4], id) == 0
end
for action in string.gmatch(before .. ' ' .. ARGV[4], '%S+') do
  if not open[action] and not seen[action] then
    seen[action] = true
    settled[#settled + 1] = action
  end
end
redis.call('HSET', events, field, head .. table.concat(settled, ' ') .. '",' .. payload .. ']')
return 'KEPT'
