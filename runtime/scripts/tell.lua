#!lua
-- tell: tells the workflow runs and jobs that listen to an event of one; those that wait for it go on.
--       Repeated, they hear of it once.
-- KEYS 1 workflows, 2 listeners, 3 listeners-expiry, 4 notes, 5 runs; then for each queue: pending, due, wake
-- ARGV 1 id of the event, 2 its payload, 3 first and 4 last listener (as ZRANGEBYLEX takes them), 5 most
--      listeners, then for each queue: name
-- Returns the last listener that was looked at, '' where these were all; the names of queues that are missing
--         here, separated by spaces; the runs that have heard of the event; the jobs
--@include now
--@include wake
--@include handler-waits

local FIRST_QUEUE_KEY, FIRST_QUEUE, workflows, event_id, most, time = 6, 6, KEYS[1], ARGV[1], tonumber(ARGV[5]), now()
local stores = { listeners = KEYS[2], expiry = KEYS[3], notes = KEYS[4] }
local queues, woken, missing, runs, jobs = {}, {}, {}, {}, {}

for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  queues[ARGV[FIRST_QUEUE + (q - FIRST_QUEUE_KEY) / 3]] = { pending = KEYS[q], due = KEYS[q + 1], wake = KEYS[q + 2] }
end

local function tell_run(member, queue, run, step)
  local field = run .. ' ' .. step
  local facts = redis.call('HMGET', workflows, run, field, field .. '!')
  local heard = facts[3] or ''
  if not facts[1] or facts[2] then
    redis.call('ZREM', stores.listeners, member)
    return
  elseif not queues[queue] then
    missing[#missing + 1] = queue
    return
  end
  if not string.find('\n' .. heard, '\n' .. event_id .. ' ', 1, true) then
    local line = string.format('%s %.0f ', event_id, time) .. ARGV[2] .. '\n'
    redis.call('HSET', workflows, field .. '!', heard .. line)
    if redis.call('ZREM', queues[queue].due, run .. '.' .. step) == 1 then
      redis.call('RPUSH', queues[queue].pending, run .. '.' .. step)
      woken[queues[queue].wake] = true
    end
  end
  runs[#runs + 1] = run
end

-- The event becomes a step of the job. A job that rests until its event is due at once, and passes its gate
-- like any due job; a job that sleeps or waits for its retry goes on doing so.
local function tell_job(member, queue, id, name)
  local steps, lines = unpack(redis.call('HMGET', stores.notes, id, id .. ' waits'))
  local line = line_of(lines or '', name)
  if not line or line.head ~= head_of(member) or line.ends <= time then
    forget_listener(stores, member)
    return
  end
  local mark = '\n= ' .. string.match(member, '^%S+') .. ' ' .. event_id .. ' '
  local before = string.find(lines, mark, 1, true)
  if before and before < line.from then
    return -- The job had heard of it when this wait began.
  elseif not queues[queue] then
    missing[#missing + 1] = queue
    return
  end
  local json = string.gsub(name, '%%(%x%x)', function(code)
    return string.char(tonumber(code, 16))
  end)
  end_wait(stores, id, steps, lines, line, member, '[' .. json .. ',' .. ARGV[2] .. ']', mark .. name)
  local run = redis.call('HGET', KEYS[5], id)
  if run and string.find(run, '"waited",%d+%]%]%]$') then
    woken[queues[queue].wake] = redis.call('ZADD', queues[queue].due, 'XX', 'LT', 'CH', time, id) == 1 or woken[queues[queue].wake]
  end
  jobs[#jobs + 1] = id
end

local members = redis.call('ZRANGEBYLEX', stores.listeners, ARGV[3], ARGV[4], 'LIMIT', 0, most)
for i = 1, #members do
  local queue, owner, name = string.match(members[i], '(%S+) (%S+) (%S+)$')
  local tell = string.sub(name, 1, 1) == '%' and tell_job or tell_run
  tell(members[i], queue, owner, name)
end
wake_each(woken)
return { #members == most and members[most] or '', table.concat(missing, ' '), runs, jobs }
