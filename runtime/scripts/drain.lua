#!lua flags=allow-oom
-- drain: makes a queue or a task refuse new jobs, or accept them again.
-- KEYS 1 draining
-- ARGV 1 kind (queue | task), 2 name, 3 drain | accept
-- Returns 1 if this has changed anything, else 0.
--@include now

local draining = KEYS[1]
local head = ARGV[1] .. ' ' .. ARGV[2] .. ' '

local kept, was = {}, false
for line in string.gmatch(redis.call('GET', draining) or '', '[^\n]+') do
  if string.sub(line, 1, #head) == head then
    was = true
  else
    kept[#kept + 1] = line
  end
end
if was == (ARGV[3] == 'drain') then
  return 0
end
if not was then
  kept[#kept + 1] = head .. string.format('%.0f', now())
end
if #kept == 0 then
  redis.call('DEL', draining)
else
  redis.call('SET', draining, '\n' .. table.concat(kept, '\n') .. '\n')
end
return 1
