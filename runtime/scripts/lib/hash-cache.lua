-- Needs: in-chunks

-- Fields of one hash that are read together before any decision, and written together after it: with a
-- command for each, the commands would cost more than everything else. Later decisions of the same call see
-- what earlier ones wrote. Each field is read and written once, however often it is asked for: the items of a
-- fan-out share most of theirs.
-- Counts by hand, because Lua searches for the length of a list.
local asked, asks, known, written, writes = {}, 0, {}, {}, 0

local function ask(field)
  if known[field] == nil then
    asks = asks + 1
    asked[asks], known[field] = field, false
  end
  return field
end

local function read_asked(key)
  for from = 1, asks, 4000 do
    local values = redis.call('HMGET', key, unpack(asked, from, math.min(from + 3999, asks)))
    for i = 1, #values do
      known[asked[from + i - 1]] = values[i]
    end
  end
end

local dirty = {}
local function put(field, value)
  known[field] = value
  if not dirty[field] then
    writes = writes + 1
    dirty[field], written[writes] = true, field
  end
end

-- Adds to a number, and returns the sum. A spoiled number counts as 0: an error would lose everything else
-- that is written with it.
local function add(field, number)
  local sum = (tonumber(known[field] or 0) or 0) + number
  put(field, sum)
  return sum
end

local function write_known(key)
  local pairs_of = {}
  for i = 1, writes do
    pairs_of[2 * i - 1], pairs_of[2 * i] = written[i], known[written[i]]
  end
  in_chunks(pairs_of, function(...)
    redis.call('HSET', key, ...)
  end)
end
