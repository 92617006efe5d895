-- Cleans up after an id that has left its list and must not run. A tombstone is removed. A cancelled job
-- loses its place in the list, so that a later retry pushes it again: `run` is its new text.
local function pass_hole(jobs, runs, id, record, run)
  if record == '[0]' then
    redis.call('HDEL', jobs, id)
    redis.call('HDEL', runs, id)
  elseif record and run then
    redis.call('HSET', runs, id, run)
  end
end
