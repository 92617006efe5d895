-- Hands all values to `write`, some thousands at once: Lua unpacks no more.
local function in_parts(values, write)
  for from = 1, #values, 4000 do
    write(unpack(values, from, math.min(from + 3999, #values)))
  end
end

-- Fields of one hash that are read together before anything is decided, and written together after it: with a command for each, the
-- commands would cost more than all the rest. What is written is known at once to whatever is decided later in the same call.
-- Counted here, because Lua finds out how long a list is by searching.
local asked, asks, known, written, writes = {}, 0, {}, {}, 0

local function ask(field)
  asks = asks + 1
  asked[asks] = field
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

local function put(field, value)
  known[field], written[writes + 1], written[writes + 2] = value, field, value
  writes = writes + 2
end

-- Adds to a number, and returns the sum. One that is spoiled counts as 0: an error would take along what else is written together.
local function add(field, number)
  local sum = (tonumber(known[field] or 0) or 0) + number
  put(field, sum)
  return sum
end

local function write_known(key)
  in_parts(written, function(...)
    redis.call('HSET', key, ...)
  end)
end
