#!lua flags=allow-oom
-- heartbeat: registers a worker or renews its lease, and tells it about cancels of its jobs, workers that are
--            gone, and work. After a silence of all workers it first gives each of them another lease to come
--            back.
-- KEYS 1 active, 2 leases, 3 workers, 4 limited, 5 cancels, 6 waiting; then for each queue: pending, due
-- ARGV 1 worker, 2 lease (ms), 3 JSON about the worker when it registers, '' to renew, 4 and 5 pad field and
--      value of active
-- Returns LOST, or: the time (ms), ids among its jobs whose cancel was asked for, workers whose lease has
--         ended, ms until the lease of the next worker ends (-1 = no other), ms until there is work in the
--         queues (0 = now, -1 = no work)
--@include now silence

local active, leases, workers, limited, cancels, waiting, FIRST_QUEUE_KEY = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], 7
local worker, lease_ms, about = ARGV[1], ms_of(ARGV[2]), ARGV[3]

local function first_to_end()
  return redis.call('ZRANGE', leases, 0, 9, 'WITHSCORES')
end

local low, own, nearest = first_to_end(), nil, math.huge
-- Condemned workers come first, and are few; if the first ten are condemned, this worker may be among those
-- after them.
if low[20] == '0' then
  own, nearest = redis.call('ZSCORE', leases, worker), 0
end
for i = 1, #low, 2 do
  own = low[i] == worker and low[i + 1] or own
  nearest = low[i + 1] ~= '0' and math.min(nearest, tonumber(low[i + 1])) or nearest
end
if about == '' and own == '0' then
  return 'LOST'
end
local time = now()
local ends = time + lease_ms

if after_silence(leases, workers, time, nearest, lease_ms) then
  low = first_to_end()
end
if about ~= '' then
  redis.call('HSET', workers, worker, about)
  redis.call('HSET', active, ARGV[4], ARGV[5])
  redis.call('ZADD', leases, ends, worker)
elseif redis.call('ZADD', leases, 'XX', 'CH', ends, worker) == 0 and not redis.call('ZSCORE', leases, worker) then
  return 'LOST'
end

local expired, next_end = {}, -1
for i = 1, #low, 2 do
  local left = tonumber(low[i + 1]) - time
  if low[i] ~= worker and left <= 0 then
    expired[#expired + 1] = low[i]
  elseif low[i] ~= worker and next_end < 0 then
    next_end = math.ceil(left)
  end
end
-- The workers after these may have ended as well.
if #low == 20 and next_end < 0 then
  next_end = 0
end

local asked, work = {}, -1
local looks = #KEYS >= FIRST_QUEUE_KEY
-- One command asks for everything that is rare, so that an idle worker pays for one command.
if redis.call('EXISTS', unpack(KEYS, 5, looks and #KEYS or 5)) > 0 then
  local ids = redis.call('SMEMBERS', cancels)
  for i = 1, #ids do
    local owner = redis.call('HGET', active, ids[i])
    if owner == worker then
      asked[#asked + 1] = ids[i]
    elseif not owner then
      redis.call('SREM', cancels, ids[i])
    end
  end
  if looks and redis.call('EXISTS', waiting) == 1 then
    work = redis.call('EXISTS', limited) - 1
    -- Nobody waits, so notes that somebody may enter are of jobs that were purged or cancelled.
    local stale = work < 0 and redis.call('ZRANGEBYLEX', waiting, '[\n', '(\v', 'LIMIT', 0, 1000) or {}
    local _ = #stale > 0 and redis.call('ZREM', waiting, unpack(stale))
  end
  for q = FIRST_QUEUE_KEY, #KEYS, 2 do
    local first = work ~= 0 and redis.call('ZRANGE', KEYS[q + 1], 0, 0, 'WITHSCORES')[2]
    local left = first and math.max(0, tonumber(first) - time)
    if work ~= 0 and redis.call('EXISTS', KEYS[q]) == 1 then
      work = 0
    elseif left and (work < 0 or left < work) then
      work = left
    end
  end
end
return { string.format('%.0f', time), asked, expired, next_end, work }
