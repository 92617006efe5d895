-- Needs: gate-entry, now, put-later

-- When a job is due: '+ms' is a duration, 'ms' a time, '' is now, which is nil from here on.
local function due_time(due, time)
  return due ~= '' and (string.sub(due, 1, 1) == '+' and time or 0) + ms_of(due) or nil
end

-- Puts a stored job where it waits: until its time, in the pending list, or at the gate if it has a limit and
-- no slot or start is free.
local function place(gate, queue, id, due, entry)
  if due then
    put_later(queue.due, queue.wake, due, id)
  else
    enter_or_wait(gate, id, entry, queue.pending, queue.wake)
  end
end

-- The same for a new job with its limits: '' or '<limits> <group>'.
local function place_new(gate, queue, id, due, limited)
  local limits, group = string.match(limited, '^(%S+) (.*)$')
  place(gate, queue, id, due, limits and register(gate, id, queue.name, limits, group))
end
