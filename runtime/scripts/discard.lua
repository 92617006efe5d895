#!lua flags=allow-oom
-- discard: a worker gives up claimed ids that must not run, because they were deleted or cancelled while in
--          the list.
-- KEYS 1 jobs, 2 runs, 3 active, 4 limited, 5 groups, 6 waiting; then for each id: pending and wake of its
--      queue
-- ARGV 1 worker, then the ids
-- Returns the number of jobs that came back to life meanwhile and were put back into their list, and the
--         queues for which the worker leaves hints.
--@include now
--@include wake
--@include record
--@include drop-hole
--@include rate gate-changes gate-groups gate-room gate queues-to-hint
--@include undo-start

local jobs, runs, active, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local gate, revived = { limited = KEYS[4], groups = KEYS[5], waiting = KEYS[6], time = now() }, 0
for i = 2, #ARGV do
  local id, q = ARGV[i], 7 + 2 * (i - 2)
  if redis.call('HGET', active, id) == worker then
    redis.call('HDEL', active, id)
    local record = redis.call('HGET', jobs, id)
    local run = redis.call('HGET', runs, id)
    local attempts, crashes, state, _, events = split_run(run)
    local lives = record and record ~= '[0]' and state ~= 'cancelled' and state ~= 'completed' and state ~= 'dead'
    uncount(gate, id, lives)
    if lives then
      redis.call('LPUSH', KEYS[q], id)
      revived = revived + 1
    end
    if lives or release(gate, id, true) then
      wake(KEYS[q + 1])
    end
    pass_hole(jobs, runs, id, record, state == 'cancelled' and join_run(attempts, crashes, state, 'null', events))
  end
end
return { revived, to_hint(gate, {}) }
