#!lua
-- start-run: stores workflow runs and enqueues the steps that they begin with. Sent again, it does nothing
--            twice.
-- KEYS 1 jobs, 2 workflows, 3 keys, 4 keys-expiry, 5 limited, 6 groups, 7 waiting, 8 running, 9 listeners;
--      then for each queue: pending, due, wake
-- ARGV 1 number of definitions, then field and text of each; then for each run: run, its record, number of
--      its definition, key field ('' = none), ttl (ms), and what it begins with (see lib/launch-run)
-- Returns for each run: the id of the existing run (this one, or the owner of the key), and its record unless
--         this call stored it
--@include now
--@include wake
--@include put-later
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry
--@include begin-step
--@include in-chunks launch-run

local workflows, keys, expiry = KEYS[2], KEYS[3], KEYS[4]
local stores = { jobs = KEYS[1], workflows = workflows, running = KEYS[8], listeners = KEYS[9] }
local gate = { limited = KEYS[5], groups = KEYS[6], waiting = KEYS[7], time = now() }
local woken, replies, at = {}, {}, 2 + 2 * ARGV[1]

local function keys_of(place)
  local q = 10 + 3 * place
  return KEYS[q], KEYS[q + 1], KEYS[q + 2]
end

-- Records of the runs that exist already, by id.
local records = {}
local function read_records()
  local ids, from = {}, at
  while from <= #ARGV do
    ids[#ids + 1] = ARGV[from]
    local _, _, behind = bounds_of_launch(from + 5)
    from = behind
  end
  local found = redis.call('HMGET', workflows, unpack(ids))
  for i = 1, #ids do
    records[ids[i]] = found[i]
  end
end

-- The run that exists already, by its id or its key, and its record.
local function existing(run, key)
  if records[run] or key == '' then
    return records[run] and run, records[run]
  end
  local owner = redis.call('HGET', keys, key)
  if owner and tonumber(redis.call('ZSCORE', expiry, key) or 0) > gate.time then
    return owner, records[owner] or redis.call('HGET', workflows, owner) or ''
  end
end

local used = {}
local function start_each()
  while at <= #ARGV do
    local run, record = ARGV[at], ARGV[at + 1]
    local key = ARGV[at + 3]
    local id, known = existing(run, key)
    local _, _, behind = bounds_of_launch(at + 5)
    if not id then
      launch(stores, gate, woken, run, record, at + 5, keys_of)
      records[run] = record
      -- Behind what may be refused: a key must not name a run that is not stored.
      if key ~= '' then
        redis.call('HSET', keys, key, run)
        redis.call('ZADD', expiry, gate.time + tonumber(ARGV[at + 4]), key)
      end
      local number = tonumber(ARGV[at + 2])
      used[number] = (used[number] or 0) + 1
    end
    replies[#replies + 1], replies[#replies + 2], at = id or run, known or false, behind
  end
end
-- If a run cannot be stored, those before it are stored, and need their definition.
read_records()
local stored_all, refusal = pcall(start_each)
write_launched(stores)
for number, n in pairs(used) do
  pin(workflows, ARGV[2 * number], ARGV[2 * number + 1], n)
end
wake_each(woken)
if not stored_all then
  error(refusal, 0)
end
return replies
