-- Takes `ids` out of the active state and returns those that this worker held: nobody can acknowledge another's job.
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

-- Completed jobs of which nothing is kept; returns them.
local function drop(jobs, runs, held)
  if #held > 0 then
    redis.call('HDEL', jobs, unpack(held))
    redis.call('HDEL', runs, unpack(held))
  end
  return held
end

-- Completed jobs that stay readable: `run_of` and `removal_of` give the run and the time of removal by id. Returns them.
local function keep(runs, done, held, run_of, removal_of)
  local texts, removals = {}, {}
  for i = 1, #held do
    local id = held[i]
    texts[2 * i - 1], texts[2 * i] = id, run_of[id]
    removals[2 * i - 1], removals[2 * i] = removal_of[id], id
  end
  if #held > 0 then
    redis.call('HSET', runs, unpack(texts))
    redis.call('ZADD', done, unpack(removals))
  end
  return held
end

-- What few completed jobs have: a cancel that came too late, notes, clients that wait, a slot. Asked for all of them at once: notes of
-- dead jobs stay in a shard for months, and must not cost a command for each job that completes beside them.
local function clear_rare(waits, cancels, notes, tag, gate, held, keeps_log)
  if gate then
    release_all(gate, held)
    if redis.call('EXISTS', cancels, notes, waits) == 0 then
      return
    end
  end
  redis.call('SREM', cancels, unpack(held))
  forget_notes(notes, held, keeps_log)
  local waiting = redis.call('HMGET', waits, unpack(held))
  for i = 1, #held do
    if waiting[i] then
      publish(waits, tag, held[i])
    end
  end
end

-- Jobs that this worker holds end, and nothing of them is kept.
local function end_held(jobs, runs, active, waits, cancels, notes, tag, gate, held)
  if #held > 0 then
    redis.call('HDEL', active, unpack(held))
    drop(jobs, runs, held)
    if redis.call('EXISTS', waits, cancels, notes, gate.limited) > 0 then
      clear_rare(waits, cancels, notes, tag, gate, held)
    end
  end
end

-- Acknowledges the jobs that the arguments name from `at` on: those of which nothing is kept, then those that are kept. Hands what this
-- worker held of them to `clear`; returns the position of the first argument after them.
local function acknowledge(jobs, runs, active, done, worker, time, at, clear)
  local n = tonumber(ARGV[at])
  if n > 0 then
    clear(drop(jobs, runs, release_held(active, worker, { unpack(ARGV, at + 1, at + n) })))
  end
  at = at + n + 1
  n = tonumber(ARGV[at])
  if n > 0 then
    local ids, run_of, removal_of = {}, {}, {}
    for i = 1, n do
      local id = ARGV[at + 3 * i - 2]
      ids[i], run_of[id], removal_of[id] = id, ARGV[at + 3 * i - 1], time + ms_of(ARGV[at + 3 * i])
    end
    clear(keep(runs, done, release_held(active, worker, ids), run_of, removal_of), true)
  end
  return at + 3 * n + 1
end
