#!lua flags=allow-oom
-- repair: puts one id where it belongs, and what is known about it in order, if it still stands as the auditor has seen it.
-- KEYS 1 jobs, 2 runs, 3 active, 4 done, 5 dead, 6 keys, 7 keys-expiry, 8 cancels, 9 waits, 10 notes;
--      then for each queue: pending, due, wake
-- ARGV 1 tag, 2 id; as seen: 3 record (none | tombstone | job), 4 run, '' = none, 5 owner, '' = none; as it is to be: 6 record
--      (none | tombstone | keep), 7 run, '' = none, 8 active (1 | 0), 9 done, 10 dead (time of removal, '' = not there);
--      11 longest list to search, 12 end of a key without one (ms), 13 number of keys, then their fields; then for each queue:
--      as seen: times in pending; as it is to be: 1 = in pending, due time, '' = not there
-- Returns MOVED (it is not as it was seen; nothing was done), LONG (a longer list would have to be searched; nothing was done),
--         or REPAIRED
--@include record
--@include job-end
--@include wake

local jobs, runs, active, done, dead, keys = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local expiry, cancels, waits, notes = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local tag, id, longest, first = ARGV[1], ARGV[2], tonumber(ARGV[11]), 14 + tonumber(ARGV[13])

local record = redis.call('HGET', jobs, id)
local kind = not record and 'none' or record == '[0]' and 'tombstone' or 'job'
local run, owner = redis.call('HGET', runs, id) or '', redis.call('HGET', active, id) or ''
if kind ~= ARGV[3] or run ~= ARGV[4] or owner ~= ARGV[5] then
  return 'MOVED'
end
local FIRST_QUEUE_KEY, extra, due_at, due_times = 11, {}, nil, {}
for q = FIRST_QUEUE_KEY, #KEYS, 3 do
  local at = first + q - FIRST_QUEUE_KEY
  local seen, long = tonumber(ARGV[at]), redis.call('LLEN', KEYS[q]) > longest
  due_at = tonumber(ARGV[at + 2]) or due_at
  due_times[tonumber(redis.call('ZSCORE', KEYS[q + 1], id) or -1)] = true
  local here = #redis.call('LPOS', KEYS[q], id, 'COUNT', 0, 'MAXLEN', longest)
  -- Only the first part of a list is searched: jobs that come back enter there, so only it may have changed.
  if here > seen or (here < seen and not long) then
    return 'MOVED'
  end
  extra[q] = seen - (ARGV[at + 1] == '1' and 1 or 0)
  if extra[q] > 0 and long then
    return 'LONG'
  end
end
-- A job that has become due since stands at the end of its list.
if due_at and not due_times[due_at] then
  return 'MOVED'
end
for q, times in pairs(extra) do
  local pending, due, at = KEYS[q], KEYS[q + 1], first + q - FIRST_QUEUE_KEY
  if times > 0 then
    -- The place nearest to the front stays.
    redis.call('LREM', pending, -times, id)
  elseif times < 0 then
    redis.call('RPUSH', pending, id)
    wake(KEYS[q + 2])
  end
  redis.call('ZREM', due, id)
  local _ = ARGV[at + 2] ~= '' and redis.call('ZADD', due, ARGV[at + 2], id)
end
for set, removal in pairs({ [done] = ARGV[9], [dead] = ARGV[10] }) do
  if removal == '' then
    redis.call('ZREM', set, id)
  else
    redis.call('ZADD', set, 'NX', removal, id)
  end
end
if ARGV[8] == '0' then
  redis.call('HDEL', active, id)
  redis.call('SREM', cancels, id)
end
local function write(hash, text)
  redis.call('HDEL', hash, id)
  local _ = text ~= '' and redis.call('HSET', hash, id, text)
end
write(jobs, ARGV[6] == 'keep' and record or ARGV[6] == 'tombstone' and '[0]' or '')
write(runs, ARGV[7])

local gone, _, _, state = ARGV[6] ~= 'keep', split_run(ARGV[7] ~= '' and ARGV[7])
if gone or state == 'completed' then
  forget_notes(notes, { id }, not gone)
elseif state == 'dead' or state == 'cancelled' then
  free_key(keys, options_of(record), id)
end
if gone or (state ~= 'pending' and state ~= 'retry') then
  publish(waits, tag, id)
end
for i = 14, first - 1 do
  if redis.call('HGET', keys, ARGV[i]) == id then
    redis.call('ZADD', expiry, 'NX', ARGV[12], ARGV[i])
  end
end
return 'REPAIRED'
