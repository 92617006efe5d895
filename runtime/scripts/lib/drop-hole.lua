-- What is left to do for an id that has left its list and must not run. A tombstone goes; a cancelled job has no place in a list
-- any more, so that a later retry pushes it again: `run` says so.
local function pass_hole(jobs, runs, id, record, run)
  if record == '[0]' then
    redis.call('HDEL', jobs, id)
    redis.call('HDEL', runs, id)
  elseif record and run then
    redis.call('HSET', runs, id, run)
  end
end
