-- Runs that end with the end of their last step. Their worker says what they give: it knows that with this step all have ended, and that
-- nothing else is to be seen to. Here is known whether the run still goes on.
local over, over_with = {}, {}

local function completes(one, time)
  if not one.keep or known[one.state] then
    return false
  end
  put(one.state, string.format('completed %.0f ', time) .. one.gives)
  over[#over + 1], over_with[#over_with + 1] = one, one.number
  return true
end

-- After what is known has been written.
local function write_over(workflows, running, ended, waits, tag, time)
  local opens, runs, removals = {}, {}, {}
  for i = 1, #over do
    opens[i], runs[i] = over[i].open, over[i].run
    removals[2 * i - 1], removals[2 * i] = time + over[i].keep, over[i].run
  end
  if #over > 0 then
    redis.call('HDEL', workflows, unpack(opens))
    redis.call('ZREM', running, unpack(runs))
    redis.call('ZADD', ended, unpack(removals))
  end
  for i = 1, #over > 0 and redis.call('EXISTS', waits) == 1 and #over or 0 do
    publish(waits, tag, over[i].run)
  end
end

-- Jobs that this worker holds end, and nothing of them is kept.
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
