-- Jobs that the worker runs next without a claim: each begins with the end of a step that this worker ran,
-- and the worker holds it from the start. Such a job never stands in a pending list, where a pause would be
-- noticed, so the pause is checked here.
local carried = {}

local function is_shut(paused, template)
  if template.shut == nil then
    local task, queue = string.match(template.before, '^%[%d+,"([^"]*)","([^"]*)"')
    local found = paused and redis.call('HMGET', paused, queue, 'task:' .. task) or {}
    template.shut = (found[1] or found[2]) and true or false
  end
  return template.shut
end

-- At most one job per end of a step: it takes over the slot of that step. `paused` is false where nothing is
-- paused.
local function carries(paused, one, place, template)
  if one.is_carried or is_shut(paused, template) then
    return false
  end
  one.is_carried, carried[#carried + 1] = true, one.number .. ' ' .. place
  return true
end
