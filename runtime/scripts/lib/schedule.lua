-- Splits the text of a schedule's state into its fields, and joins them again; see docs/protocol.md. No field
-- holds a quote.
local function split_schedule(state)
  local pattern = '^%["([^"]*)",(%d+),(%d+),"([^"]*)",(%d+),"(%a*)"%]$'
  local timing, last, paused, job, skipped, reason = string.match(state or '', pattern)
  return timing, tonumber(last), tonumber(paused), job, tonumber(skipped), reason
end

local function join_schedule(timing, last, paused, job, skipped, reason)
  return string.format('["%s",%.0f,%.0f,"%s",%.0f,"%s"]', timing, last, paused, job, skipped, reason)
end
