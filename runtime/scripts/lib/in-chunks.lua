-- Hands all values to `write`, some thousands at once: Lua unpacks no more.
local function in_chunks(values, write)
  for from = 1, #values, 4000 do
    write(unpack(values, from, math.min(from + 3999, #values)))
  end
end
