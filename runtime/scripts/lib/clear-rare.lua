-- Needs: job-end

-- Clears what few completed jobs have: a cancel that came too late, notes, waiting clients. One command asks
-- for all jobs at once: notes of dead jobs stay in a shard for months, and must not cost a command for each
-- job that completes meanwhile.
local function clear_rare(waits, cancels, notes, tag, held, keeps_log)
  redis.call('SREM', cancels, unpack(held))
  forget_notes(notes, held, keeps_log)
  local waiting = redis.call('HMGET', waits, unpack(held))
  for i = 1, #held do
    if waiting[i] then
      publish(waits, tag, held[i])
    end
  end
end
