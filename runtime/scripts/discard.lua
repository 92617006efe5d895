#!lua flags=allow-oom
-- discard: a worker gives up ids that it claimed but that must not run: deleted or cancelled while they stood in the list.
-- KEYS 1 jobs, 2 runs, 3 active; then for each id: pending and wake of its queue
-- ARGV 1 worker, then the ids
-- Returns the number of jobs that had come back to life meanwhile and were put back into their list.
--@include wake
--@include record

local jobs, runs, active, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local revived = 0
for i = 2, #ARGV do
  local id, q = ARGV[i], 4 + 2 * (i - 2)
  if redis.call('HGET', active, id) == worker then
    redis.call('HDEL', active, id)
    local record = redis.call('HGET', jobs, id)
    local run = redis.call('HGET', runs, id)
    local attempts, crashes, state, _, events = split_run(run)
    if record == '[0]' then
      redis.call('HDEL', jobs, id)
      redis.call('HDEL', runs, id)
    elseif record and state == 'cancelled' then
      -- Its place in the list is gone: a later retry must push it again.
      redis.call('HSET', runs, id, '[' .. attempts .. ',' .. crashes .. ',"cancelled",null,' .. events .. ']')
    elseif record and state ~= 'completed' and state ~= 'dead' then
      redis.call('LPUSH', KEYS[q], id)
      wake(KEYS[q + 1])
      revived = revived + 1
    end
  end
end
return revived
