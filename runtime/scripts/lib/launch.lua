-- What a run begins with stands in the arguments: the number of jobs that it waits for before it ends, the number of its listeners, these,
-- the number of its jobs, then of each: job, place of its queue, delay (ms), limit, record. Of them from `at` on: the first listener, the
-- first job, and the first argument behind them.
local function bounds_of_launch(at)
  local jobs = at + 3 + ARGV[at + 1]
  return at + 2, jobs, jobs + 5 * ARGV[jobs - 1]
end

-- So many more runs are pinned to a definition, which is stored with the first; the last that is forgotten takes it along.
local function pin(workflows, field, text, n)
  if redis.call('HINCRBY', workflows, field .. '#', n) == n then
    redis.call('HSET', workflows, field, text)
  end
end

-- Stores a run and enqueues its jobs; `keys_of` gives pending list, due set and wake list of a place. Wake hints that are to be left are
-- noted in `woken`.
local function launch(stores, gate, woken, run, record, at, keys_of)
  local listeners, jobs, behind = bounds_of_launch(at)
  for i = listeners, jobs - 2 do
    redis.call('ZADD', stores.listeners, 0, ARGV[i])
  end
  for i = jobs, behind - 1, 5 do
    local pending, due, wake_key = keys_of(ARGV[i + 1])
    begin(stores.jobs, gate, woken, ARGV[i], pending, due, wake_key, tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4])
  end
  local stamp = table.concat(redis.call('TIME'), '.')
  redis.call('HSET', stores.workflows, run, record, run .. ' :stamp', stamp, run .. ' :open', ARGV[at])
  redis.call('ZADD', stores.running, gate.time, run)
end
