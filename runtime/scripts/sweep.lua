#!lua flags=allow-oom
-- sweep: removes what has expired: finished jobs, dead jobs, keys, kept events, what nobody listens to any
--        more, starts of rates; at most `limit` of each.
-- KEYS 1 jobs, 2 runs, 3 done, 4 dead, 5 keys, 6 keys-expiry, 7 notes, 8 groups, 9 waiting, 10 events,
--      11 events-expiry, 12 listeners, 13 listeners-expiry, 14 swept
-- ARGV 1 limit, 2 for how long no other worker needs to sweep (ms, 0 = unsaid), 3 '1' where that was said to
--      this worker before
-- Returns SWEPT (another worker sweeps); or the number of completed and cancelled jobs removed, of dead jobs,
--         keys, events and listeners removed
--@include now
--@include record
--@include job-end
--@include dedupe
--@include forget-starts

local time = now()
if ARGV[2] ~= '0' then
  local stamp = string.format('%.0f', time)
  local swept = ARGV[3] ~= '1' and redis.call('SET', KEYS[14], stamp, 'PX', ARGV[2], 'NX', 'GET')
  -- After the clock of Redis was set back, the key stays until that time comes again.
  if swept and tonumber(swept) <= time then
    return 'SWEPT'
  elseif swept or ARGV[3] == '1' then
    redis.call('SET', KEYS[14], stamp, 'PX', ARGV[2])
  end
end
if redis.call('EXISTS', KEYS[3], KEYS[4], KEYS[6], KEYS[9], KEYS[11], KEYS[13]) == 0 then
  return { 0, 0, 0, 0, 0 }
end
local jobs, runs, keys, expiry, notes = KEYS[1], KEYS[2], KEYS[5], KEYS[6], KEYS[7]
-- A dedupe key has no end of its own: it stays until its job has ended.
local ASK_AGAIN_MS = 3600000

local function expired(set)
  return redis.call('ZRANGEBYSCORE', set, '-inf', time, 'LIMIT', 0, tonumber(ARGV[1]))
end

local function remove(set)
  local ids = expired(set)
  if #ids == 0 then
    return 0
  end
  local texts = redis.call('HMGET', runs, unpack(ids))
  redis.call('HDEL', jobs, unpack(ids))
  redis.call('HDEL', runs, unpack(ids))
  forget_notes(notes, ids)
  for i = 1, #ids do
    -- A cancelled job whose id still stands in a pending list leaves a tombstone, which is removed when the
    -- list has passed it.
    if texts[i] and string.find(texts[i], '^%[%d+,%d+,"cancelled",1,') then
      redis.call('HSET', jobs, ids[i], '[0]')
    end
  end
  redis.call('ZREM', set, unpack(ids))
  return #ids
end

forget_starts({ groups = KEYS[8], waiting = KEYS[9], time = time }, tonumber(ARGV[1]))
local fields = {}
for _, field in ipairs(expired(expiry)) do
  if string.sub(field, 1, 1) == '!' and unfinished(jobs, runs, keys, field) then
    redis.call('ZADD', expiry, time + ASK_AGAIN_MS, field)
  else
    fields[#fields + 1] = field
  end
end
if #fields > 0 then
  redis.call('HDEL', keys, unpack(fields))
  redis.call('ZREM', expiry, unpack(fields))
end
local gone = expired(KEYS[11])
if #gone > 0 then
  redis.call('HDEL', KEYS[10], unpack(gone))
  redis.call('ZREM', KEYS[11], unpack(gone))
end
local deaf = expired(KEYS[13])
if #deaf > 0 then
  redis.call('ZREM', KEYS[12], unpack(deaf))
  redis.call('ZREM', KEYS[13], unpack(deaf))
end
return { remove(KEYS[3]), remove(KEYS[4]), #fields, #gone, #deaf }
