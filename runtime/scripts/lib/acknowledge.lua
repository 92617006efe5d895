-- Needs: now

-- Removes `ids` from the active state and returns those that this worker held: no worker can acknowledge the
-- jobs of another.
local function release_held(active, worker, ids)
  local owners, held = redis.call('HMGET', active, unpack(ids)), {}
  for i = 1, #ids do
    if owners[i] == worker then
      held[#held + 1] = ids[i]
    end
  end
  if #held > 0 then
    redis.call('HDEL', active, unpack(held))
  end
  return held
end

-- Removes completed jobs of which nothing is kept.
local function drop(jobs, runs, held)
  redis.call('HDEL', jobs, unpack(held))
  redis.call('HDEL', runs, unpack(held))
end

-- Keeps completed jobs readable: `run_of` and `removal_of` give the run and the time of removal by id.
local function keep(runs, done, held, run_of, removal_of)
  local texts, removals = {}, {}
  for i = 1, #held do
    local id = held[i]
    texts[2 * i - 1], texts[2 * i] = id, run_of[id]
    removals[2 * i - 1], removals[2 * i] = removal_of[id], id
  end
  redis.call('HSET', runs, unpack(texts))
  redis.call('ZADD', done, unpack(removals))
end

-- Acknowledges the jobs that the arguments name from position `at` on: first those of which nothing is kept,
-- then those that are kept. Passes the ones that this worker held to `clear`, if given. Returns the position
-- of the first argument after them.
local function acknowledge(jobs, runs, active, done, worker, time, at, clear)
  local n = tonumber(ARGV[at])
  if n > 0 then
    local held = release_held(active, worker, { unpack(ARGV, at + 1, at + n) })
    if #held > 0 then
      drop(jobs, runs, held)
      if clear then
        clear(held)
      end
    end
  end
  at = at + n + 1
  n = tonumber(ARGV[at])
  if n > 0 then
    local ids, run_of, removal_of = {}, {}, {}
    for i = 1, n do
      local id = ARGV[at + 3 * i - 2]
      ids[i], run_of[id], removal_of[id] = id, ARGV[at + 3 * i - 1], time + ms_of(ARGV[at + 3 * i])
    end
    local held = release_held(active, worker, ids)
    if #held > 0 then
      keep(runs, done, held, run_of, removal_of)
      if clear then
        clear(held, true)
      end
    end
  end
  return at + 3 * n + 1
end
