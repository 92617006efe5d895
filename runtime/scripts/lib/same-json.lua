-- True where two JSON texts hold the same value: the definitions of two deploys may write its fields in
-- different orders. The texts have no white space, so the order of fields does not change the length. Texts
-- longer than 64 KiB would hold Redis for too long and count as different.
local function same_json(one, other)
  if one == other then
    return true
  elseif #one ~= #other or #one > 65536 then
    return false
  end

  -- cjson makes the same table of [] and {}, so an element that JSON has no value for marks arrays; a text
  -- that already contains it is not compared.
  local function decode(text)
    assert(not string.find(text, '1e400', 1, true))
    return cjson.decode((string.gsub(text, '%[%]', '[1e400]')))
  end

  local function equal(a, b)
    if type(a) ~= 'table' or type(b) ~= 'table' then
      return a == b
    end
    for name, value in pairs(a) do
      if not equal(value, b[name]) then
        return false
      end
    end
    for name in pairs(b) do
      if a[name] == nil then
        return false
      end
    end
    return true
  end

  -- What cjson cannot read (half a surrogate pair, 1,000 levels) cannot be compared, and must not stop the
  -- script half-way.
  local read, result = pcall(function()
    return equal(decode(one), decode(other))
  end)
  return read and result
end
