-- Whether what an earlier tick has made has not ended: a job, or a run of a workflow, whatever the schedule makes by now.
local function is_under_way(jobs, runs, workflows, id)
  local record = id ~= '' and redis.call('HGET', jobs, id)
  if record and record ~= '[0]' then
    local _, _, state = split_run(redis.call('HGET', runs, id))
    return state ~= 'completed' and state ~= 'dead' and state ~= 'cancelled'
  end
  if id == '' or redis.call('HEXISTS', workflows, id) == 0 then
    return false
  end
  -- Only an end has its time behind it.
  return not string.find(redis.call('HGET', workflows, id .. ' :state') or '', '^%l+ %d')
end
