#!lua flags=allow-oom
-- reclaim: takes jobs back from a worker: after a crash (its lease has ended) or when it hands them back while stopping.
-- KEYS 1 jobs, 2 runs, 3 active, 4 leases, 5 workers, 6 done, 7 dead, 8 keys, 9 cancels, 10 waits;
--      then for each queue: pending, due, wake
-- ARGV 1 tag, 2 worker, 3 reason (crashed | handed-back), 4 crashes that make a job dead, 5 keep (ms) of jobs that end here,
--      unless the job has its own, 6 wait (ms) of a suspect, which the next crash makes dead
--      7 number of queues, then their names; then the ids that the worker is thought to hold
-- Returns ALIVE (lease renewed meanwhile), or: number of jobs taken back, names of queues that the call did not declare.
--         A call without ids forgets the worker.
--@include now
--@include wake
--@include record
--@include judge
--@include finish

local jobs, runs, active, leases, workers, done, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local keys, cancels, waits = KEYS[8], KEYS[9], KEYS[10]
local tag, worker, crashed, most, keep_ms = ARGV[1], ARGV[2], ARGV[3] == 'crashed', tonumber(ARGV[4]), tonumber(ARGV[5])
local FIRST_QUEUE_KEY, queues, time = 11, tonumber(ARGV[7]), now()

if crashed then
  if tonumber(redis.call('ZSCORE', leases, worker) or 0) > time then
    return 'ALIVE'
  end
  -- Condemned: from here on the worker's own calls answer LOST, also while its jobs are taken back in several calls.
  redis.call('ZADD', leases, 0, worker)
end

local queue_key, taken, unknown = {}, 0, {}
for q = 1, queues do
  queue_key[ARGV[7 + q]] = FIRST_QUEUE_KEY + 3 * (q - 1)
end

local function finish(id, record, state, attempts, crashes, events, event)
  local options = options_of(record)
  redis.call('HDEL', active, id)
  redis.call('HSET', runs, id, join_run(attempts, crashes, state, 'null', events, event))
  redis.call('ZADD', state == 'dead' and dead or done, time + (options.keepDeadMs or keep_ms), id)
  free_key(keys, options, id)
  publish(waits, tag, id)
end

local function take_back(id)
  local record = redis.call('HGET', jobs, id)
  local attempts, crashes, state, detail, events = split_run(redis.call('HGET', runs, id))
  local blamed, counted, verdict = judge(crashed, crashes, most, worker, events)
  local event = string.format('[%.0f,"crashed","%s"]', time, worker)
  local queue = record and queue_of(record)
  local q = queue and queue_key[queue]
  if not record or record == '[0]' or state == 'completed' or state == 'dead' then
    redis.call('HDEL', active, id)
    if record == '[0]' then
      redis.call('HDEL', jobs, id)
    end
  elseif state == 'cancelled' then
    -- Its place in the list is gone: a later retry must push it again.
    redis.call('HDEL', active, id)
    redis.call('HSET', runs, id, join_run(attempts, crashes, state, 'null', events, event))
  elseif redis.call('SREM', cancels, id) == 1 then
    finish(id, record, 'cancelled', attempts, crashes, events, string.format('[%.0f,"cancelled"]', time))
  elseif not queue or verdict == 'dead' then
    finish(id, record, 'dead', attempts, crashes + 1, events, event)
  elseif not q then
    unknown[#unknown + 1] = queue
    return
  else
    redis.call('HDEL', active, id)
    if blamed or verdict == 'retry' then
      redis.call('HSET', runs, id, join_run(attempts, counted, verdict, detail, events, blamed and event))
    end
    if verdict == 'retry' then
      redis.call('ZADD', KEYS[q + 1], time + tonumber(ARGV[6]), id)
    else
      redis.call('LPUSH', KEYS[q], id)
    end
    wake(KEYS[q + 2])
  end
  taken = taken + 1
end

for i = 8 + queues, #ARGV do
  if redis.call('HGET', active, ARGV[i]) == worker then
    take_back(ARGV[i])
  end
end
if #ARGV == 7 + queues then
  redis.call('ZREM', leases, worker)
  redis.call('HDEL', workers, worker)
end
return { taken, unknown }
