-- Passes all values to `write`, 4,000 at a time: Lua unpacks at most about 8,000.
local function in_chunks(values, write)
  for from = 1, #values, 4000 do
    write(unpack(values, from, math.min(from + 3999, #values)))
  end
end
