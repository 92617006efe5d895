-- Needs: gate, gate-changes, gate-groups, paused-tasks, record

-- Resumed tasks. Claims take their parked jobs in their order; until all of them have started, later jobs are
-- parked behind them.
local function parked(gate, task, queue, n)
  local group = '!' .. task .. ' ' .. queue
  return redis.call('ZRANGEBYLEX', gate.waiting, '[' .. group .. '\n', '(' .. group .. '\v', 'LIMIT', 0, n)
end

-- Adds up to `n` parked jobs of resumed tasks to `claimed`. A job with a limit in its queue comes to that
-- gate first.
local function claim_resumed(gate, queue, n, claimed)
  for task, value in pairs(gate.shut) do
    local members, ids = n > 0 and is_resumed(value) and parked(gate, task, queue, n) or {}, {}
    for i = 1, #members do
      ids[i] = string.match(members[i], ' (%S+)$')
    end
    if #ids > 0 then
      redis.call('ZREM', gate.waiting, unpack(members))
      redis.call('HDEL', gate.limited, unpack(ids))
      count_waiting(gate, queue, -#ids)
    end
    local records = #ids > 0 and redis.call('HMGET', gate.jobs, unpack(ids)) or {}
    for i = 1, #ids do
      local may_have = records[i] and string.find(records[i], '"group":"@', 1, true)
      local group, enters = may_have and options_of(records[i]).group, true
      if group then
        local entry = string.match(members[i], '\n(%d+ %S+) ') .. ' ' .. group
        redis.call('HSET', gate.limited, ids[i], entry)
        enters = pass(gate, ids[i], entry)
      end
      if enters then
        claimed[#claimed + 1], n = ids[i], n - 1
      end
    end
  end
end

-- Invites the groups of resumed tasks, 100 a call: nobody noted that they have room while they were closed.
-- `gate.reopens` is true while more of them are left. Forgets a task when nothing is left to do for it.
local function reopen(gate, paused)
  local left = 100
  for task, value in pairs(gate.shut) do
    local group, before, is_done = string.sub(value, 3), left, not is_resumed(value)
    while left > 0 and not is_done do
      local from = group == '' and '[' .. task .. ' ' or '(' .. group .. '\v'
      local member = redis.call('ZRANGEBYLEX', gate.waiting, from, '(' .. task .. '!', 'LIMIT', 0, 1)[1]
      group, left, is_done = member and string.match(member, '^([^\n]*)') or task .. '!', left - 1, not member
      local _ = member and invite(gate, group_of(gate, group))
    end
    local is_parked = is_done and is_resumed(value)
      and #redis.call('ZRANGEBYLEX', gate.waiting, '[!' .. task .. ' ', '(!' .. task .. '!', 'LIMIT', 0, 1) > 0
    if is_done and is_resumed(value) and not is_parked then
      redis.call('HDEL', paused, 'task:' .. task)
      gate.shut[task] = nil
    elseif left < before then
      redis.call('HSET', paused, 'task:' .. task, '0 ' .. group)
    end
    gate.reopens = gate.reopens or not is_done
  end
end
