-- Needs: purge-jobs

-- A purge that stands still for so long has to begin its turn of the list anew.
local TURN_MS = 5000

-- Whether the purge with this token turns a list now. Two that turn one at once would pass over what the
-- other has put to the end, so the first call of a turn (`begin`) waits for those of others, and the later
-- ones (`turn`) learn whether another has come between them. The last one (`end`) gives the turn up.
local function has_turn(key, token, step)
  local turner = redis.call('GET', key)
  if turner ~= token and (turner or step ~= 'begin') then
    return false
  elseif step == 'end' then
    redis.call('DEL', key)
    return false
  end
  redis.call('SET', key, token, 'PX', TURN_MS)
  return true
end

-- Puts what stays to the end of the list from whose front it was taken.
local function turn_round(shard, pending, found)
  drop_holes(shard, found.holes)
  if #found.stays > 0 then
    redis.call('RPUSH', pending, unpack(found.stays))
  end
end
