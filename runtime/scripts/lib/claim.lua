-- Takes up to `want` ids: first the quota of each queue, then the remaining places go to any queue that has
-- jobs. So the shares follow the weights while all queues are full, and no place stays empty while any queue
-- has a job. `follow` is called with the ids taken from a list and the number still wanted; it returns true
-- if it has pushed more ids into the list.
local function claim(pending, quotas, want, follow)
  local claimed = {}
  for pass = 1, 2 do
    for q = 1, #pending do
      local quota = math.min(pass == 1 and quotas[q] or want, want - #claimed)
      repeat
        local ids = quota > 0 and redis.call('LPOP', pending[q], quota)
        local n = ids and #ids or 0
        for i = 1, n do
          claimed[#claimed + 1] = ids[i]
        end
        quota = quota - n
      until n == 0 or not follow or not follow(q, ids, quota)
    end
  end
  return claimed
end

-- Records that `worker` holds `ids`.
local function own(active, worker, ids)
  if #ids > 0 then
    local pairs_of = {}
    for i = 1, #ids do
      pairs_of[2 * i - 1], pairs_of[2 * i] = ids[i], worker
    end
    redis.call('HSET', active, unpack(pairs_of))
  end
end

-- Position (from 0) and run of each id that has a history; most have none.
local function runs_of(runs, ids)
  local texts, found = #ids > 0 and redis.call('HMGET', runs, unpack(ids)) or {}, {}
  for i = 1, #texts do
    if texts[i] then
      found[#found + 1] = i - 1
      found[#found + 1] = texts[i]
    end
  end
  return found
end
