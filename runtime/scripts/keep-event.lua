#!lua
-- keep-event: keeps an event for its retention, with its actions that are settled; kept again under its id,
--             it stays.
-- KEYS 1 events, 2 events-expiry
-- ARGV 1 its field, 2 its payload, 3 how long it is kept (ms), 4 actions that are settled, 5 actions that are
--      not, after all; each separated by spaces
-- Returns KEPT, or CONFLICT when an event with another payload is kept under this id
--@include now
--@include same-json

local events, expiry, field = KEYS[1], KEYS[2], ARGV[1]
local open, seen, settled = {}, {}, {}
local known, time = redis.call('HGET', events, field), now()
local head, before, payload = string.format('[1,%.0f,"', time), '', ARGV[2]

if known then
  head, before, payload = string.match(known, '^(%[1,%d+,")([^"]*)",(.*)%]$')
  if not payload or not same_json(payload, ARGV[2]) then
    return 'CONFLICT'
  end
else
  redis.call('ZADD', expiry, time + tonumber(ARGV[3]), field)
end

for action in string.gmatch(ARGV[5], '%S+') do
  open[action] = true
end
for action in string.gmatch(before .. ' ' .. ARGV[4], '%S+') do
  if not open[action] and not seen[action] then
    seen[action] = true
    settled[#settled + 1] = action
  end
end
redis.call('HSET', events, field, head .. table.concat(settled, ' ') .. '",' .. payload .. ']')
return 'KEPT'
