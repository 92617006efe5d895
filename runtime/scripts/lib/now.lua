-- Time of this Redis in whole milliseconds. Clocks of clients are never asked: they differ by minutes in real fleets.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
