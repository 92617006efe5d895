-- Needs: is-drained, wake

-- New jobs that go into the pending list without any other check, except that they may be refused.

-- The `n` lines of a text.
local function lines_of(text, n)
  local lines, at = {}, 1
  for i = 1, n - 1 do
    local ends = string.find(text, '\n', at, true)
    lines[i], at = string.sub(text, at, ends - 1), ends + 1
  end
  lines[n] = n > 0 and string.sub(text, at) or nil
  return lines
end

-- The ids and records that are not drained, and the position of each; reports the others in `reply`.
local function accepted(draining, queue, given, n, reply, position)
  local texts, positions = {}, {}
  for i = 0, n - 1 do
    local id, record = given[1 + 2 * i], given[2 + 2 * i]
    if is_drained(draining, queue, record) then
      reply[#reply + 1] = position + i .. ' ~'
    else
      texts[#texts + 1], texts[#texts + 2], positions[#positions + 1] = id, record, position + i
    end
  end
  return texts, positions
end

-- Stores `n` jobs, an id and a record of `texts` each, and pushes them without further checks while there is
-- room; reports the others in `reply`. Returns how many were stored.
local function put_plain(jobs, queue, texts, n, draining, reply, position)
  local positions, ids = nil, {}
  if draining then
    texts, positions = accepted(draining, queue.name, texts, n, reply, position)
    n = #positions
  end
  local fitting = math.max(0, math.min(n, queue.room))
  if fitting > 0 then
    for i = 1, fitting do
      ids[i] = texts[2 * i - 1]
    end
    redis.call('HSET', jobs, unpack(texts, 1, 2 * fitting))
    redis.call('RPUSH', queue.pending, unpack(ids))
    wake(queue.wake)
  end
  for i = fitting, n - 1 do
    reply[#reply + 1] = (positions and positions[i + 1] or position + i) .. ' #'
  end
  return fitting
end
