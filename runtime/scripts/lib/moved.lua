-- Needs: record

-- Returns an answer if a job has left the state in which the caller has seen it; nil if it has not, or if the
-- caller named none. A final state is in the run; for the others, the index that holds the id decides.
local function moved_from(expected, active, due, id, run)
  if not expected then
    return nil
  end
  local _, _, state = split_run(run)
  if state == 'pending' or state == 'retry' then
    if redis.call('HEXISTS', active, id) == 1 then
      state = 'active'
    elseif not redis.call('ZSCORE', due, id) then
      state = 'pending'
    elseif state == 'pending' then
      state = 'scheduled'
    end
  end
  return state ~= expected and 'MOVED ' .. state or nil
end
