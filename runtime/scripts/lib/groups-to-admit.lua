-- Needs: gate, gate-groups, gate-room, savings

-- Which groups may let a job in: those that got slots back in this call, and those with a note that they have
-- room.

-- Collects in `gate.called`, by the queue of their first waiting job, the groups that this call knows by now:
-- some got slots back. Workers of queues that the call does not serve get a note. The call serves the queues
-- from `ARGV[at]` on, with three keys for each from `KEYS[k]` on.
local function call_up(gate, at, k)
  local called, known = {}, anyone_waits(gate) and gate.known or {}
  for i = at, #ARGV, 2 do
    called[ARGV[i]] = { n = 0, groups = {}, firsts = {}, ids = {} }
  end
  measure_lists(gate, at, k)
  for i = 1, #known do
    local group = known[i]
    local opens = opens_at(gate, group)
    local saves = opens == 0 and saves_up(gate, group)
    local first = opens == 0 and not (saves and is_noted(gate, group)) and first_of(gate, group.name, 1)[1]
    local queue, id = queue_and_id(group.name, first or '')
    local line = called[queue]
    if line and saves and gate.is_long[queue] then
      note_savings(gate, queue, group)
    elseif line then
      local n = line.n + 1
      line.n, line.groups[n], line.firsts[n], line.ids[n] = n, group, first, id
    elseif first or opens > 0 then
      invite(gate, group)
    end
  end
  gate.called, gate.calls_up = called, false
end

-- The collected groups of a queue, and 100 of those with a note that there is room (of those that save up
-- only when it is time). Second, whether there are more.
local function invited(gate, queue)
  local start, line, stands = '\n' .. queue .. '\n', gate.called[queue], {}
  local to = '(\n' .. queue .. (gate.is_long[queue] and '\v' or '\f')
  local notes = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start .. '@', to, 'LIMIT', 0, 100)
  local room = 100 - #notes
  if gate.is_long[queue] then
    add_savings(gate, queue, notes)
  end
  local untimed = #notes
  if gate.rates and room > 0 then
    local until_now = string.format('(%s%016.0f', start, gate.time + 1)
    local timed = redis.call('ZRANGEBYLEX', gate.waiting, '[' .. start, until_now, 'LIMIT', 0, room)
    for i = 1, #timed do
      notes[#notes + 1] = timed[i]
    end
  end
  for i = 1, #notes > 0 and line.n or 0 do
    stands[line.groups[i]] = true
  end
  for i = 1, #notes do
    local group = group_of(gate, string.sub(notes[i], #start + (i > untimed and 18 or 1)))
    -- A group's waiting jobs leave the gate only after all of these groups were looked at: a group listed
    -- twice would admit them twice.
    if not stands[group] then
      stands[group], line.n = true, line.n + 1
      line.groups[line.n] = group
    end
  end
  if #notes > 0 then
    redis.call('ZREM', gate.waiting, unpack(notes))
  end
  if gate.invited then
    gate.invited[queue] = nil
  end
  return line, #notes - untimed == room
end
