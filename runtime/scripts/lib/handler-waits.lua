-- What the handler of a job waits for, as lines of the field `<id> waits` in `notes`, each after a line
-- break, oldest first:
--   <name> <until (ms)> <head>     it listens; name and head are those of its member of `listeners`,
--                                  the head with tabs instead of line breaks
--   = <event> <event id> <name>    the event that arrived under this name; it has become a step of the job

-- The line of a name that listens, and its position in the text; nil where there is none.
local function line_of(lines, name)
  local from = string.find(lines, '\n' .. name .. ' ', 1, true)
  if from then
    local to = (string.find(lines, '\n', from + 1, true) or #lines + 1) - 1
    local ends, head = string.match(string.sub(lines, from + 1, to), '^%S+ (%d+) (.*)$')
    return { from = from, to = to, ends = tonumber(ends), head = head }
  end
end

-- The head of a member in the form that a line holds.
local function head_of(member)
  return (string.gsub(string.match(member, '^(.*\n)'), '\n', '\t'))
end

local function forget_listener(stores, member)
  redis.call('ZREM', stores.listeners, member)
  redis.call('ZREM', stores.expiry, member)
end

-- Ends a wait: `step` is its result, `mark` the line that stays ('' = none).
local function end_wait(stores, id, steps, lines, line, member, step, mark)
  lines = string.sub(lines, 1, line.from - 1) .. string.sub(lines, line.to + 1) .. mark
  redis.call('HSET', stores.notes, id, steps and steps .. '\n' .. step or step)
  if lines == '' then
    redis.call('HDEL', stores.notes, id .. ' waits')
  else
    redis.call('HSET', stores.notes, id .. ' waits', lines)
  end
  forget_listener(stores, member)
end
