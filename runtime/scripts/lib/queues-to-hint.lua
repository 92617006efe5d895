-- Queues whose workers have to look because of a new note at the gate, separated by spaces. The call may not
-- have the keys of these queues, so its caller leaves the hints. For its `own` queues a call itself knows
-- when a job may enter later.
local function to_hint(gate, own)
  local names, is_own = {}, {}
  for i = 1, gate.invited and #own or 0 do
    is_own[own[i]] = true
  end
  for queue, is_open in pairs(gate.invited or {}) do
    if is_open or not is_own[queue] then
      names[#names + 1] = queue
    end
  end
  return table.concat(names, ' ')
end
