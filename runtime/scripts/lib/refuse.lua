-- Whether a new job is refused, because its queue or its task is drained; `draining` is a text with a line "<kind> <name> <since>" each.
local function is_drained(draining, queue, record)
  local task = string.match(record, '^%[%d+,"([^"]*)"') or ''
  return string.find(draining, '\nqueue ' .. queue .. ' ', 1, true) or string.find(draining, '\ntask ' .. task .. ' ', 1, true)
end

-- Of ids and records, those that are not drained, with the position of each; says so in `reply` for the others.
local function accepted(draining, queue, at, n, reply, position)
  local texts, positions = {}, {}
  for i = 0, n - 1 do
    local id, record = ARGV[at + 2 * i], ARGV[at + 2 * i + 1]
    if is_drained(draining, queue, record) then
      reply[#reply + 1] = position + i .. ' ~'
    else
      texts[#texts + 1], texts[#texts + 2], positions[#positions + 1] = id, record, position + i
    end
  end
  return texts, positions
end

-- Stores the `n` pairs of id and record from `ARGV[at]` and puts them in line, without looking, as far as there is room; says so in `reply`
-- for the others. Returns how many were stored.
local function put_plain(jobs, queue, at, n, draining, reply, position)
  local texts, positions, ids = ARGV, nil, {}
  if draining then
    texts, positions = accepted(draining, queue.name, at, n, reply, position)
    at, n = 1, #positions
  end
  local fitting = math.max(0, math.min(n, queue.room))
  if fitting > 0 then
    for i = 1, fitting do
      ids[i] = texts[at + 2 * i - 2]
    end
    redis.call('HSET', jobs, unpack(texts, at, at + 2 * fitting - 1))
    redis.call('RPUSH', queue.pending, unpack(ids))
    wake(queue.wake)
  end
  for i = fitting, n - 1 do
    reply[#reply + 1] = (positions and positions[i + 1] or position + i) .. ' #'
  end
  return fitting
end
