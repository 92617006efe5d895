-- Saved slots (decision 64). While 1,000 ids stand in the list of its queue, a group whose slots come free
-- one by one lets nobody in until it has several: so many others are in front of its next job, and jobs that
-- come in together cost far less than one by one. With the first free slot it leaves the note
-- "\n<queue>\v<group>". These notes are taken up when the list is not long, and every second, since the other
-- slots may stay taken for hours. Additional field of `groups`:
-- &<queue> -> "<when the notes were last taken up> <group after which to go on>"
local LONG_LIST, SAVING_MS = 1000, 1000

-- Which lists of the queues from `ARGV[at]` on are long; each has three keys, from `KEYS[k]` on.
local function measure_lists(gate, at, k)
  gate.is_long, gate.has_long = {}, false
  for i = at, #ARGV, 2 do
    local is_long = redis.call('LLEN', KEYS[k]) >= LONG_LIST
    gate.is_long[ARGV[i]], gate.has_long, k = is_long, gate.has_long or is_long, k + 3
  end
end

local function saves_up(gate, group)
  local limit, rate = group.rule.limit, group.rule.rate
  local few = limit < math.huge and math.min(8, math.floor(limit / 2)) or 0
  return gate.has_long and limit - group.held < few and not (rate and rate.turns)
end

local function note_savings(gate, queue, group)
  redis.call('ZADD', gate.waiting, 0, '\n' .. queue .. '\v' .. group.name)
end

-- Whether a group has left its note before a long list that the call serves.
local function is_noted(gate, group)
  for queue, is_long in pairs(gate.is_long) do
    if is_long and redis.call('ZSCORE', gate.waiting, '\n' .. queue .. '\v' .. group.name) then
      return true
    end
  end
  return false
end

-- Appends to `notes` those of groups that save up before a long list, at most 100, when it is time.
local function add_savings(gate, queue, notes)
  local field, start = '&' .. queue, '\n' .. queue .. '\v'
  local last, behind = string.match(redis.call('HGET', gate.groups, field) or '', '^(%d+) (.*)$')
  if behind == '' and math.abs(gate.time - tonumber(last)) < SAVING_MS then
    return
  end
  last, behind = last or '0', behind or ''
  -- Goes on behind the last group, because groups in front of it may have left new notes since.
  local found = redis.call('ZRANGEBYLEX', gate.waiting, '(' .. start .. behind, '(\n' .. queue .. '\f', 'LIMIT', 0, 100)
  for i = 1, #found do
    notes[#notes + 1] = found[i]
  end
  local goes_on = #found == 100
  redis.call('HSET', gate.groups, field, goes_on and last .. ' ' .. string.sub(found[100], #start + 1) or string.format('%.0f ', gate.time))
end
