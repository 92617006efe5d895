#!lua flags=allow-oom
-- purge: removes jobs of one queue and state with all that is known about them, so many at a time as take Redis some 2 ms.
-- KEYS 1 jobs, 2 runs, 3 done, 4 dead, 5 keys, 6 waits, 7 notes, 8 limited, 9 groups, 10 waiting, 11 purging; of the queue:
--      12 pending, 13 due, 14 wake
-- ARGV 1 tag, 2 queue, 3 place (pending | waiting | due | done | dead), 4 state, 5 task ('' = any), 6 most ids to look at, 7 where to go
--      on: of waiting the last member ('' = from the start), of a sorted set '<score> <id>' of the last one passed over; of pending
--      (else '') 8 token of the purge, 9 its step: begin | turn | end (nothing is looked at)
-- Returns the number of ids that it looked at (0 = no more are there; -1 = another purge turns lists, or has since), of jobs removed,
--         of steps of workflow runs that stay, and where to go on. Of a pending list, which is turned round, what stays comes to the end.
--@include now
--@include wake
--@include record
--@include job-end
--@include drop-hole
--@include rate gate-changes gate-groups gate-room gate
--@include purge-jobs
--@include purge-gate purge-set purge-turn

local shard = { jobs = KEYS[1], runs = KEYS[2], keys = KEYS[5], waits = KEYS[6], notes = KEYS[7] }
local gate, sets = { limited = KEYS[8], groups = KEYS[9], waiting = KEYS[10], time = now() }, { done = KEYS[3], dead = KEYS[4], due = KEYS[13] }
local tag, pending, most, from = ARGV[1], KEYS[12], tonumber(ARGV[6]), ARGV[7]
local wanted = { queue = ARGV[2], place = ARGV[3], state = ARGV[4], task = ARGV[5] }
local has_limits, set = redis.call('EXISTS', gate.limited) == 1, sets[wanted.place]
-- Whole records are read, so only a few at a time. WORK counts in plain jobs of 2 KiB.
local CHUNK, WORK = 50, 600

-- The next ids of the place, how many entries were looked at, and for waiting the member of each id.
local function next_ids(size)
  if wanted.place == 'pending' then
    local ids = redis.call('LPOP', pending, size) or {}
    return ids, #ids
  elseif set then
    local rank = rank_behind(set, from)
    local ids = redis.call('ZRANGE', set, rank, rank + size - 1, 'REV')
    return ids, #ids
  end
  local members, ids, member_of = redis.call('ZRANGEBYLEX', gate.waiting, '(' .. (from == '' and '\14' or from), '+', 'LIMIT', 0, size), {}, {}
  for i = 1, #members do
    local queue, id = string.match(members[i], '\n%d+ (%S+) (%S+)$')
    if queue == wanted.queue then
      ids[#ids + 1], member_of[id] = id, members[i]
    end
  end
  from = members[#members] or from
  return ids, #members, member_of
end

-- Removes ids from their place; returns the number of groups concerned.
local function take_out(found, member_of)
  local groups, calls, ids = 0, false, found.gone
  if wanted.place == 'pending' then
    turn_round(shard, pending, found)
    for _, left in ipairs(has_limits and { ids, found.holes } or {}) do
      if #left > 0 then
        local n, some = give_slots_back(gate, wanted.queue, left)
        groups, calls = groups + n, calls or some
      end
    end
  elseif set and #ids > 0 then
    redis.call('ZREM', set, unpack(ids))
    local _ = wanted.place == 'due' and redis.call('HDEL', gate.limited, unpack(ids))
  elseif #ids > 0 then
    local members = {}
    for i = 1, #ids do
      members[i] = member_of[ids[i]]
    end
    groups, calls = leave_gate(gate, wanted.queue, ids, members)
    -- A member costs as much as two more plain jobs.
    groups = groups + #ids / 5
  end
  local _ = calls and wake(KEYS[14])
  return groups
end

if ARGV[8] ~= '' and not has_turn(KEYS[11], ARGV[8], ARGV[9]) then
  return { -1, 0, 0, '' }
end
local looked, removed, steps, work = 0, 0, 0, 0
repeat
  local size = math.min(CHUNK, most - looked)
  local ids, n, member_of = next_ids(size)
  local found = #ids > 0 and sort_out(shard.jobs, shard.runs, wanted, ids)
  if found then
    work = work + math.floor(found.bytes / 2048) + 10 * take_out(found, member_of)
    local _ = #found.gone > 0 and erase(shard, tag, found)
    removed, steps, from = removed + #found.gone, steps + found.steps, set and place_of(set, found.stays, from) or from
  end
  looked, work = looked + n, work + n
until n < size or looked >= most or work >= WORK
return { looked, removed, steps, from }
