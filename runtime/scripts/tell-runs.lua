#!lua
-- tell-runs: tells the workflow runs that listen to an event of one; steps that wait for it begin. Told again, they hear of it once.
-- KEYS 1 workflows, 2 listeners; then for each queue: pending, due, wake
-- ARGV 1 id of the event, 2 its payload, 3 first and 4 last listener (as ZRANGEBYLEX takes them), 5 most listeners, then for each
--      queue: name
-- Returns the last listener that was looked at, '' where these were all; the names of queues that are missing here, separated by
--         spaces; then the runs that have heard of the event
--@include now
--@include wake

local workflows, listeners, id, most, time = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[5]), now()
local queues, woken, missing, reply = {}, {}, {}, {}

for q = 3, #KEYS, 3 do
  queues[ARGV[5 + q / 3]] = { pending = KEYS[q], due = KEYS[q + 1], wake = KEYS[q + 2] }
end

local function tell(member, queue, run, step)
  local field = run .. ' ' .. step
  local facts = redis.call('HMGET', workflows, run, field, field .. '!')
  local heard = facts[3] or ''
  if not facts[1] or facts[2] then
    redis.call('ZREM', listeners, member)
    return
  elseif not queues[queue] then
    missing[#missing + 1] = queue
    return
  end
  if not string.find('\n' .. heard, '\n' .. id .. ' ', 1, true) then
    local line = string.format('%s %.0f ', id, time) .. ARGV[2] .. '\n'
    redis.call('HSET', workflows, field .. '!', heard .. line)
    if redis.call('ZREM', queues[queue].due, run .. '.' .. step) == 1 then
      redis.call('RPUSH', queues[queue].pending, run .. '.' .. step)
      woken[queues[queue].wake] = true
    end
  end
  reply[#reply + 1] = run
end

local members = redis.call('ZRANGEBYLEX', listeners, ARGV[3], ARGV[4], 'LIMIT', 0, most)
for i = 1, #members do
  tell(members[i], string.match(members[i], '(%S+) (%S+) (%S+)$'))
end
wake_each(woken)
return { #members == most and members[most] or '', table.concat(missing, ' '), unpack(reply) }
