-- Needs: acknowledge, clear-rare, gate-many, hash-cache, job-end

-- Runs that end with the end of their last step. The worker sends their output: it knows that all other steps
-- have ended and that nothing else is left to do. Only this script knows whether the run still goes on.
local completed, completed_by = {}, {}

local function completes(one, time)
  if not one.keep or known[one.state] then
    return false
  end
  put(one.state, string.format('completed %.0f ', time) .. one.gives)
  completed[#completed + 1], completed_by[#completed_by + 1] = one, one.number
  return true
end

-- Called after the fields in the cache have been written.
local function write_completed(workflows, running, ended, waits, tag, time)
  local opens, runs, removals = {}, {}, {}
  for i = 1, #completed do
    opens[i], runs[i] = completed[i].open, completed[i].run
    removals[2 * i - 1], removals[2 * i] = time + completed[i].keep, completed[i].run
  end
  if #completed > 0 then
    redis.call('HDEL', workflows, unpack(opens))
    redis.call('ZREM', running, unpack(runs))
    redis.call('ZADD', ended, unpack(removals))
  end
  for i = 1, #completed > 0 and redis.call('EXISTS', waits) == 1 and #completed or 0 do
    publish(waits, tag, completed[i].run)
  end
end

-- Ends jobs that this worker holds, and keeps nothing of them.
local function end_held(jobs, runs, active, waits, cancels, notes, tag, gate, held)
  if #held > 0 then
    redis.call('HDEL', active, unpack(held))
    drop(jobs, runs, held)
    if redis.call('EXISTS', waits, cancels, notes, gate.limited) > 0 then
      release_all(gate, held)
      clear_rare(waits, cancels, notes, tag, held)
    end
  end
end
