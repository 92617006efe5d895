-- Needs: gate, gate-groups

-- The gate for many ids at once: jobs that have completed, and jobs that are due.

-- Completed jobs give their slots back.
local function release_all(gate, ids)
  local entries, limited, names, n = redis.call('HMGET', gate.limited, unpack(ids)), {}, {}, 0
  for i = 1, #entries do
    local entry = entries[i]
    if entry then
      n = n + 1
      limited[n], names[n] = ids[i], group_in(entry)
    end
  end
  if n > 0 then
    gate.has_freed = true
    redis.call('HDEL', gate.limited, unpack(limited))
    read_groups(gate, names)
    for i = 1, n do
      give_back(gate, gate.book[names[i]])
    end
  end
end

-- Returns the ids that may enter their pending list; the others wait at the gate from now on.
local function entering(gate, ids)
  local entries, entered = redis.call('HMGET', gate.limited, unpack(ids)), {}
  for i = 1, #ids do
    if not entries[i] or pass(gate, ids[i], entries[i]) then
      entered[#entered + 1] = ids[i]
    end
  end
  return entered
end
