-- An event that a person or a program asked for holds the name of the call, which is no word of any other.
-- So a call that is sent again after its reply was lost finds its event, whatever has happened to the job
-- since, and acts once. Without a name ('') each sending acts.
local function has_event_of(run, kind, call)
  return call ~= '' and run and string.find(run, ',"' .. kind .. '","' .. call .. '"]', 1, true) ~= nil
end

local function event_of(time, kind, call)
  return string.format('[%.0f,"%s"%s]', time, kind, call == '' and '' or ',"' .. call .. '"')
end
