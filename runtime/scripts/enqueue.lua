#!lua
-- enqueue: stores new jobs and puts each into the pending list or the due set of its queue, or lets it wait at the gate.
-- KEYS 1 jobs, 2 keys, 3 keys-expiry, 4 sent, 5 limited, 6 groups, 7 waiting; then for each queue: pending, due, wake
-- ARGV 1 call number
--      2.. for each queue: name, most pending (0 = any number), n, then n x (id, record): id made by the client, no key, to run at once
--      then the others, each: queue number, id, record, due ('' = at once, '+ms' = after, 'ms' = at), key field, key
--      ttl, '' or '<limits> <group>' (see come)
-- Returns the time in ms, then for each job that was not stored its position (from 0, in ARGV order) and: the id of the job that
--         is there; or '!' where the id is taken by another task or payload; or '#' where the queue is full.
--@include now
--@include wake
--@include later
--@include sent
--@include rate
--@include gate
--@include come

local jobs, keys, expiry, sent = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local gate = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = now() }
local FIRST_QUEUE_KEY = 8

local call = ARGV[1] .. '\n'
local before = answer_before(sent, call)
if before then
  return before
end

local time = gate.time
local reply, position, at, room, names = { string.format('%.0f', time) }, 0, 2, {}, {}

for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  local most, n = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  names[q], room[q] = ARGV[at], math.huge
  if most > 0 then
    room[q] = most - redis.call('LLEN', KEYS[q]) - (redis.call('HGET', gate.groups, '#' .. names[q]) or 0)
  end
  local fitting = math.max(0, math.min(n, room[q]))
  if fitting > 0 then
    local ids = {}
    for i = 1, fitting do
      ids[i] = ARGV[at + 1 + 2 * i]
    end
    redis.call('HSET', jobs, unpack(ARGV, at + 3, at + 2 * fitting + 2))
    redis.call('RPUSH', KEYS[q], unpack(ids))
    wake(KEYS[q + 2])
  end
  for i = fitting, n - 1 do
    reply[#reply + 1] = position + i .. ' #'
  end
  room[q] = room[q] - fitting
  at, position = at + 2 * n + 3, position + n
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
    local limits, group = string.match(ARGV[at + 6], '^(%S+) (.*)$')
    if limits then
      register(gate, id, names[q], limits, group)
    end
    if due ~= '' then
      put_later(KEYS[q + 1], KEYS[q + 2], (string.sub(due, 1, 1) == '+' and time or 0) + tonumber(due), id)
    else
      room[q] = room[q] - 1
      come(gate, id, limits, KEYS[q], KEYS[q + 2])
    end
  end
  at, position = at + 7, position + 1
end

redis.call('SET', sent, call .. table.concat(reply, '\n'), 'PX', 600000)
return reply
