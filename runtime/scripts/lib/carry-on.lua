-- Jobs that a worker carries on with: they begin with the end of a step that it has run, and it holds them from their begin on. So they
-- do not stand in a list, where jobs that are paused would be met; whether they are is asked here.
local carried = {}

local function is_shut(paused, template)
  if template.shut == nil then
    local task, queue = string.match(template.before, '^%[%d+,"([^"]*)","([^"]*)"')
    local found = paused and redis.call('HMGET', paused, queue, 'task:' .. task) or {}
    template.shut = (found[1] or found[2]) and true or false
  end
  return template.shut
end

-- With each end one, which takes the slot of the step that has ended. `paused` is false where nothing is.
local function carries(paused, one, place, template)
  if one.is_carried or is_shut(paused, template) then
    return false
  end
  one.is_carried, carried[#carried + 1] = true, one.number .. ' ' .. place
  return true
end
