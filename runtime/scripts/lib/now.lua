-- Time of this Redis in whole milliseconds. Clocks of clients are never asked: they differ by minutes in real fleets.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A length or a time in ms that an argument gives. Redis stops a script at a number that is none, and what was written before stays: a
-- job that has left one place would be in no other. So a script asks before it writes.
local function ms_of(text)
  local ms = tonumber(text)
  if not ms or ms < 0 or ms ~= ms or ms > 9007199254740991 then
    error('expected whole milliseconds, got ' .. tostring(text))
  end
  return ms
end
