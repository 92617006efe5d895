-- True where two JSON texts are one value: definitions of two deploys may write its fields in different orders. It has no white space, so the
-- order changes no length; what is longer than 64 KiB would hold Redis for too long.
local function same_json(one, other)
  if one == other then
    return true
  elseif #one ~= #other or #one > 65536 then
    return false
  end

  -- cjson makes one table of [] and {}, so a number that JSON has no value for tells them apart; a text that has it already is left alone.
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

  -- What cjson cannot read (half a surrogate pair, 1,000 levels) cannot be compared, and must not stop the script half-way.
  local read, result = pcall(function()
    return equal(decode(one), decode(other))
  end)
  return read and result
end
