-- Groups of whose slots some have been given back in this call come into `gate.called`, by the queue of the first that waits; a note
-- tells workers of other queues. The call serves those from `ARGV[at]` on.
local function call_up(gate, at)
  gate.called = {}
  for i = at, #ARGV, 2 do
    gate.called[ARGV[i]] = {}
  end
  for i = 1, anyone_waits(gate) and #gate.freed or 0 do
    local group = gate.freed[i]
    if not group.is_called then
      local first = opens_at(gate, group) == 0 and first_of(gate, group.name, 1)[1]
      local line = gate.called[first and who(group.name, first)]
      group.is_called = true
      if line then
        line[#line + 1], line[group] = { group, first }, true
      else
        invite(gate, group)
      end
    end
  end
  gate.freed = nil
end

-- The groups of a queue that were called up, and 100 of those of whom a note says that there is room; second, whether there are more.
local function invited(gate, queue)
  local start, line = '\n' .. queue .. '\n', gate.called[queue]
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start .. '@', '(\n' .. queue .. '\v', 'LIMIT', 0, 100)
  if gate.rates and #notes < 100 then
    local until_now = string.format('(%s%016.0f', start, gate.time + 1)
    local timed = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start, until_now, 'LIMIT', 0, 100 - #notes)
    for i = 1, #timed do
      notes[#notes + 1] = timed[i]
    end
  end
  for i = 1, #notes do
    local group = group_of(gate, string.match(notes[i], '([^\n]*)$'))
    -- Its members leave the gate after the whole line has been looked at: one that stands there twice would let them in twice.
    line[#line + 1] = not line[group] and { group } or nil
    line[group] = true
  end
  local _ = #notes > 0 and redis.call('ZREM', gate.waiting, unpack(notes))
  return line, #notes == 100
end

-- Lets `members` of a group in, as far as it is open, they wait for this queue, and fewer than 500 have come. True if all came in.
local function let_in(gate, queue, group, members, came)
  for i = 1, #members do
    local of, id = who(group.name, members[i])
    if of ~= queue or came.n == 500 or opens_at(gate, group) > 0 then
      return false
    end
    came.n, came.gone[#came.gone + 1] = came.n + 1, members[i]
    if not (gate.shut and parks(gate, members[i], id)) then
      take(gate, group)
      came.ids[#came.ids + 1] = id
    end
  end
  return true
end

-- Fills a pending list. True where a hint is needed: the call itself claims nothing, or there may be more.
local function admit(gate, queue, pending, want)
  gate.queues[#gate.queues + 1] = queue
  local came, stopped, line, more = { n = 0, ids = {} }, {}, invited(gate, queue)
  while #line > 0 do
    local open = {}
    came.gone = {}
    for i = 1, #line do
      local group, first = line[i][1], line[i][2]
      local most = math.max(1, math.min(32, group.rule.limit - group.held))
      local members = first and most == 1 and { first } or first_of(gate, group.name, most)
      if not let_in(gate, queue, group, members, came) or opens_at(gate, group) > 0 then
        stopped[#stopped + 1] = group
      elseif #members == most then
        open[#open + 1] = { group }
      end
    end
    local _ = #came.gone > 0 and redis.call('ZREM', gate.waiting, unpack(came.gone))
    line = open
  end
  if #came.ids > 0 then
    redis.call('RPUSH', pending, unpack(came.ids))
    count_waiting(gate, queue, -#came.ids)
  end
  -- The next may be one of another queue, too many for one call, or one whose time has not come.
  for i = 1, #stopped do
    invite(gate, stopped[i])
  end
  return came.n > 0 and (want == 0 or more or came.n == 500)
end
