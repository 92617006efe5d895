-- Needs: begin-step, in-chunks

-- What a run begins with, as arguments: the number of jobs that it waits for before it ends, the number of
-- its listeners, the listeners, the number of its jobs, then of each job: id, place of its queue, delay (ms),
-- limit, record. Returns the positions of the first listener, the first job, and the first argument after
-- them.
local function bounds_of_launch(at)
  local jobs = at + 3 + ARGV[at + 1]
  return at + 2, jobs, jobs + 5 * ARGV[jobs - 1]
end

-- Pins `n` more runs to a definition, which is stored with the first of them and removed with the last.
local function pin(workflows, field, text, n)
  if redis.call('HINCRBY', workflows, field .. '#', n) == n then
    redis.call('HSET', workflows, field, text)
  end
end

-- Runs that start, and their jobs, are collected until they are written: a command for each would be most of
-- the cost of a start.
local launched = { records = {}, lines = {}, runs = {}, times = {} }

-- Stores a run and enqueues its jobs, together with `write_launched`. `keys_of` gives pending list, due set
-- and wake list of a place. Collects the wake lists that need a hint in `woken`. A key that is no list raises
-- its error before anything of the run is collected.
local function launch(stores, gate, woken, run, record, at, keys_of)
  local listeners, jobs, behind = bounds_of_launch(at)
  for i = listeners, jobs - 2 do
    redis.call('ZADD', stores.listeners, 0, ARGV[i])
  end
  local came = {}
  for i = jobs, behind - 1, 5 do
    local pending, due, wake_key = keys_of(ARGV[i + 1])
    if lines_up(gate, woken, ARGV[i], pending, due, wake_key, tonumber(ARGV[i + 2]), ARGV[i + 3]) then
      if not launched.lines[pending] then
        redis.call('LLEN', pending)
      end
      came[#came + 1], came[#came + 2] = pending, ARGV[i]
    end
  end
  for i = 1, #came, 2 do
    local line = launched.lines[came[i]] or {}
    launched.lines[came[i]], line[#line + 1] = line, came[i + 1]
  end
  local records, runs, times = launched.records, launched.runs, launched.times
  for i = jobs, behind - 1, 5 do
    records[#records + 1], records[#records + 2] = ARGV[i], ARGV[i + 4]
  end
  local n, stamp = #runs, table.concat(redis.call('TIME'), '.')
  runs[n + 1], runs[n + 2], runs[n + 3] = run, record, run .. ' :stamp'
  runs[n + 4], runs[n + 5], runs[n + 6] = stamp, run .. ' :open', ARGV[at]
  times[#times + 1], times[#times + 2] = gate.time, run
end

local function write_launched(stores)
  in_chunks(launched.records, function(...)
    redis.call('HSET', stores.jobs, ...)
  end)
  for pending, ids in pairs(launched.lines) do
    in_chunks(ids, function(...)
      redis.call('RPUSH', pending, ...)
    end)
  end
  in_chunks(launched.runs, function(...)
    redis.call('HSET', stores.workflows, ...)
  end)
  in_chunks(launched.times, function(...)
    redis.call('ZADD', stores.running, ...)
  end)
end
