-- Leaves one hint in a wake list. The blocking pop of an idle worker takes it at once; otherwise it waits for
-- the next one. Nobody takes it before the script ends.
local hinted = {}
local function wake(key)
  if not hinted[key] then
    hinted[key] = true
    if redis.call('EXISTS', key) == 0 then
      redis.call('LPUSH', key, '1')
    end
  end
end

-- Like wake, once for each wake list that is a key of the table.
local function wake_each(woken)
  for key in pairs(woken) do
    wake(key)
  end
end
