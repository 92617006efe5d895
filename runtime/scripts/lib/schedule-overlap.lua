-- Needs: record

-- Whether what an earlier tick has made is still under way: a job, or a run of a workflow, whatever the
-- schedule makes by now. A job of another task than `task` counts only while a worker holds it: after a
-- deploy no worker may serve it, and it would never end. With `task` nil any job counts.
local function is_under_way(stores, id, task)
  local record = id ~= '' and redis.call('HGET', stores.jobs, id)
  if record and record ~= '[0]' then
    local _, _, state = split_run(redis.call('HGET', stores.runs, id))
    if state == 'completed' or state == 'dead' or state == 'cancelled' then
      return false
    end
    return not task or task == string.match(record, '^%[%d+,"([^"]*)"') or redis.call('HEXISTS', stores.active, id) == 1
  end
  if id == '' or redis.call('HEXISTS', stores.workflows, id) == 0 then
    return false
  end
  -- Only the state of an ended run is followed by its time.
  return not string.find(redis.call('HGET', stores.workflows, id .. ' :state') or '', '^%l+ %d')
end
