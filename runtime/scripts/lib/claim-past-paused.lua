-- Needs: paused-tasks, resumed-tasks, wake

-- Claims while tasks are paused, or were resumed and still have parked jobs. Each claim gives half of its
-- places to parked jobs, so that no other job has to wait behind a million of them.

-- For ids that were popped from the list of `queue`: the task of each job that may not start, by position. A
-- job that has ended is a hole and may pass.
local function held_back(gate, queue, ids, records)
  local found, runs, entries = {}, nil, nil
  for i = 1, #ids do
    local task, is_paused = shut_task(gate, records[i])
    if task then
      runs = runs or redis.call('HMGET', gate.runs, unpack(ids))
      entries = entries or redis.call('HMGET', gate.limited, unpack(ids))
      local is_behind = is_paused or (not entries[i] and #parked(gate, task, queue, 1) > 0)
      found[i] = is_behind and not string.find(runs[i] or '', '^%[%d+,%d+,"[cd]') and task
    end
  end
  return found
end

-- Adds up to `n` jobs from the front of a list to `claimed`, and parks the jobs before them that may not
-- start: at most `gate.budget` of them, or as many as have a megabyte of records. Returns false where it had
-- to stop early.
local function take_open(gate, queue, pending, n, claimed)
  local stop, size = #claimed + n, n
  while #claimed < stop and gate.budget > 0 do
    local ids = redis.call('LPOP', pending, math.min(size, 32)) or {}
    if #ids == 0 then
      return true
    end
    local records = redis.call('HMGET', gate.jobs, unpack(ids))
    local tasks_at, parting, tasks, back = held_back(gate, queue, ids, records), {}, {}, {}
    for i = 1, #ids do
      if tasks_at[i] then
        parting[#parting + 1], tasks[#tasks + 1] = ids[i], tasks_at[i]
        gate.budget = gate.budget - 1 - math.floor(#records[i] / 2048)
      elseif #claimed < stop then
        claimed[#claimed + 1] = ids[i]
      else
        table.insert(back, 1, ids[i])
      end
    end
    park(gate, queue, parting, tasks)
    if #back > 0 then
      redis.call('LPUSH', pending, unpack(back))
    end
    size = 32
  end
  return #claimed == stop
end

-- Like claim. Leaves a hint for the next claim where it had to stop early, where parked jobs may start, or
-- where groups are left to reopen.
local function claim_around(gate, pending, quotas, want, names, wakes, follow)
  local claimed = {}
  gate.budget = 300
  local _ = gate.reopens and wakes[1] and wake(wakes[1])
  for round = 1, 2 do
    for q = 1, #pending do
      local quota = math.min(round == 1 and quotas[q] or want, want - #claimed)
      local went, before
      repeat
        before = #claimed
        claim_resumed(gate, names[q], round == 1 and math.floor((quota + gate.time % 2) / 2) or quota, claimed)
        went = take_open(gate, names[q], pending[q], before + quota - #claimed, claimed)
        quota = before + quota - #claimed
      until #claimed == before or not follow or not follow(q, { unpack(claimed, before + 1) }, quota)
      for task, value in pairs(went and round == 2 and gate.shut or {}) do
        went = went and not (is_resumed(value) and #parked(gate, task, names[q], 1) > 0)
      end
      if not went then
        wake(wakes[q])
      end
    end
  end
  return claimed
end
