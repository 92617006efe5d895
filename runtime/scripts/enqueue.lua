#!lua
-- enqueue: stores new jobs and puts each into the pending list or the due set of its queue.
-- KEYS 1 jobs, 2 keys, 3 keys-expiry, 4 sent; then for each queue: pending, due, wake
-- ARGV 1 call number
--      2.. for each queue: most pending (0 = any number), n, then n x (id, record): id made by the client, no key, to run at once
--      then the others, each: queue number, id, record, due ('' = at once, '+ms' = after, 'ms' = at), key field, key ttl
-- Returns the time in ms, then for each job that was not stored its position (from 0, in ARGV order) and: the id of the job that
--         is there; or '!' where the id is taken by another task or payload; or '#' where the queue is full.
--@include now
--@include wake

local jobs, keys, expiry, sent = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FIRST_QUEUE_KEY = 5

-- A call that is sent again after a lost reply must not be done again: its jobs may have run and gone by now.
local call = ARGV[1] .. '\n'
local before = redis.call('GET', sent)
if before and string.sub(before, 1, #call) == call then
  local answer = {}
  for line in string.gmatch(string.sub(before, #call + 1), '[^\n]+') do
    answer[#answer + 1] = line
  end
  return answer
end

-- The same job enqueued again differs only in when it was made.
local function same(one, other)
  return string.gsub(one, '"at":%d+', '', 1) == string.gsub(other, '"at":%d+', '', 1)
end

local time = now()
local reply, position, at, room = { string.format('%.0f', time) }, 0, 2, {}

for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  local most, n = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  room[q] = most == 0 and math.huge or most - redis.call('LLEN', KEYS[q])
  local fitting = math.max(0, math.min(n, room[q]))
  if fitting > 0 then
    local ids = {}
    for i = 1, fitting do
      ids[i] = ARGV[at + 2 * i]
    end
    redis.call('HSET', jobs, unpack(ARGV, at + 2, at + 2 * fitting + 1))
    redis.call('RPUSH', KEYS[q], unpack(ids))
    wake(KEYS[q + 2])
  end
  for i = fitting, n - 1 do
    reply[#reply + 1] = position + i .. ' #'
  end
  room[q] = room[q] - fitting
  at, position = at + 2 * n + 2, position + n
end

while at <= #ARGV do
  local q, id, record = FIRST_QUEUE_KEY + 3 * tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  local due, key, ttl = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local existing = redis.call('HGET', jobs, id)
  local owner = key ~= '' and redis.call('HGET', keys, key)
  if owner and tonumber(redis.call('ZSCORE', expiry, key) or 0) <= time then
    owner = false
  end
  if existing then
    reply[#reply + 1] = position .. ' ' .. (same(existing, record) and id or '!')
  elseif owner then
    reply[#reply + 1] = position .. ' ' .. owner
  elseif due == '' and room[q] <= 0 then
    reply[#reply + 1] = position .. ' #'
  else
    redis.call('HSET', jobs, id, record)
    if key ~= '' then
      redis.call('HSET', keys, key, id)
      redis.call('ZADD', expiry, time + tonumber(ttl), key)
    end
    if due == '' then
      redis.call('RPUSH', KEYS[q], id)
      room[q] = room[q] - 1
      wake(KEYS[q + 2])
    else
      redis.call('ZADD', KEYS[q + 1], string.sub(due, 1, 1) == '+' and time + tonumber(due) or tonumber(due), id)
      -- Idle workers sleep until the earliest due time that they know; an earlier one must wake them.
      if redis.call('ZRANGE', KEYS[q + 1], 0, 0)[1] == id then
        wake(KEYS[q + 2])
      end
    end
  end
  at, position = at + 6, position + 1
end

redis.call('SET', sent, call .. table.concat(reply, '\n'), 'PX', 600000)
return reply
