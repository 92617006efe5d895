-- Needs: gate, gate-groups, gate-room

-- Which groups may let somebody in: those of whose slots this call has given some back, and those of whom a note says so.

-- Groups of whose slots some have been given back in this call, and the others that it knows by now, come into `gate.called`, by the queue
-- of the first that waits; a note tells workers of other queues. The call serves those from `ARGV[at]` on.
local function call_up(gate, at)
  local called, known = {}, anyone_waits(gate) and gate.known or {}
  for i = at, #ARGV, 2 do
    called[ARGV[i]] = { n = 0, groups = {}, firsts = {}, ids = {} }
  end
  for i = 1, #known do
    local group = known[i]
    local opens = opens_at(gate, group)
    local first = opens == 0 and first_of(gate, group.name, 1)[1]
    local queue, id = queue_and_id(group.name, first or '')
    local line = called[queue]
    if line then
      local n = line.n + 1
      line.n, line.groups[n], line.firsts[n], line.ids[n] = n, group, first, id
    elseif first or opens > 0 then
      invite(gate, group)
    end
  end
  gate.called, gate.calls_up = called, false
end

-- The groups of a queue that were called up, and 100 of those of whom a note says that there is room; second, whether there are more.
local function invited(gate, queue)
  local start, line, stands = '\n' .. queue .. '\n', gate.called[queue], {}
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start .. '@', '(\n' .. queue .. '\v', 'LIMIT', 0, 100)
  if gate.rates and #notes < 100 then
    local until_now = string.format('(%s%016.0f', start, gate.time + 1)
    local timed = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start, until_now, 'LIMIT', 0, 100 - #notes)
    for i = 1, #timed do
      notes[#notes + 1] = timed[i]
    end
  end
  for i = 1, #notes > 0 and line.n or 0 do
    stands[line.groups[i]] = true
  end
  for i = 1, #notes do
    local group = group_of(gate, string.match(notes[i], '([^\n]*)$'))
    -- Its members leave the gate after the whole line has been looked at: one that stands there twice would let them in twice.
    if not stands[group] then
      stands[group], line.n = true, line.n + 1
      line.groups[line.n] = group
    end
  end
  local _ = #notes > 0 and redis.call('ZREM', gate.waiting, unpack(notes))
  if gate.invited then
    gate.invited[queue] = nil
  end
  return line, #notes == 100
end
