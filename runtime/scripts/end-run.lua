#!lua flags=allow-oom
-- end-run: workflow runs have ended; with each ends its job that decides. The job of a step that is such a
--          run comes back.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workflows, 6 ended, 7 keys, 8 waits, 9 running, 10 listeners;
--      then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, then for each run: job, run, end of the run, keep (ms), key field to free, job of its
--      timeout ('' = none), place of its own queue, state of the run when that was decided ('' = none), job
--      of the step that it is ('' = none), place of the queue of that, number of its listeners, then these
-- Returns LOST, or for each run: GONE (the worker does not hold the job), MOVED (its state is another;
--         nothing was done), or ENDED
--@include now
--@include wake
--@include job-end

local jobs, runs, active, leases, workflows, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local keys, waits, running, listeners = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local tag, worker, time, replies, over = ARGV[1], ARGV[2], now(), {}, {}

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end

-- Ends the run itself, without its job that decides; `last` is the position of the last argument of the run.
local function end_run(run, at, last)
  redis.call('HSET', workflows, run .. ' :state', ARGV[at + 2])
  redis.call('HDEL', workflows, run .. ' :open')
  redis.call('ZREM', running, run)
  redis.call('ZADD', ended, time + tonumber(ARGV[at + 3]), run)
  free_key(keys, { key = ARGV[at + 4] ~= '' and ARGV[at + 4] }, run)
  publish(waits, tag, run)
  local q = 11 + 3 * ARGV[at + 6]
  if ARGV[at + 5] ~= '' and redis.call('ZREM', KEYS[q + 1], ARGV[at + 5]) == 1 then
    over[#over + 1] = ARGV[at + 5]
  end
  if last > at + 10 then
    redis.call('ZREM', listeners, unpack(ARGV, at + 11, last))
  end
  -- If the job of the step is not waiting, a worker is looking at this run right now.
  q = 11 + 3 * ARGV[at + 9]
  if ARGV[at + 8] ~= '' and redis.call('ZREM', KEYS[q + 1], ARGV[at + 8]) == 1 then
    redis.call('RPUSH', KEYS[q], ARGV[at + 8])
    wake(KEYS[q + 2])
  end
end

local at = 3
while at <= #ARGV do
  local job, run, last, reply = ARGV[at], ARGV[at + 1], at + 10 + ARGV[at + 10], 'ENDED'
  if redis.call('HGET', active, job) ~= worker then
    reply = 'GONE'
  elseif (redis.call('HGET', workflows, run .. ' :state') or '') ~= ARGV[at + 7] then
    reply = 'MOVED'
  else
    redis.call('HDEL', active, job)
    over[#over + 1] = job
    if redis.call('HEXISTS', workflows, run) == 1 then
      end_run(run, at, last)
    end
  end
  replies[#replies + 1], at = reply, last + 1
end
if #over > 0 then
  redis.call('HDEL', jobs, unpack(over))
  redis.call('HDEL', runs, unpack(over))
end
return replies
