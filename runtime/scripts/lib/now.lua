-- Time of this Redis in whole milliseconds. The clocks of clients are never used: they differ by minutes in
-- real fleets.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A duration or a time in ms from an argument. Redis stops a script at an invalid number and keeps what was
-- written before: a job that has left one place would be in no other. So scripts check before they write.
local function ms_of(text)
  local ms = tonumber(text)
  if not ms or ms < 0 or ms ~= ms or ms > 9007199254740991 then
    error('expected whole milliseconds, got ' .. tostring(text))
  end
  return ms
end
