-- Whether a new job is refused because its queue or task is drained. `draining` is a text of lines "<kind>
-- <name> <since>".
local function is_drained(draining, queue, record)
  local task = string.match(record, '^%[%d+,"([^"]*)"') or ''
  return string.find(draining, '\nqueue ' .. queue .. ' ', 1, true) or string.find(draining, '\ntask ' .. task .. ' ', 1, true)
end
