-- Needs: dedupe, place-job, record, same-job

-- The job that has an idempotency key, until the ttl of the key ends, whatever has become of the job.
local function owner_of(shard, key, time)
  local owner = redis.call('HGET', shard.keys, key)
  return owner and tonumber(redis.call('ZSCORE', shard.expiry, key) or 0) > time and owner or nil
end

-- Gives a stored job this key from now on; '' is no key.
local function give_key(shard, key, id, ends)
  if key ~= '' then
    redis.call('HSET', shard.keys, key, id)
    redis.call('ZADD', shard.expiry, ends, key)
  end
end

-- Gives a waiting job that has not begun the record of the newest enqueue of its key. The job keeps its place
-- in the list. A job that waits for a time waits for that of the newest enqueue; a debounce delays it, at
-- most to the end that the first enqueue has set.
local function replace(shard, gate, queue, id, new)
  redis.call('HSET', shard.jobs, id, (string.gsub(new.record, '"dedupe":', '"replaced":1,%0', 1)))
  local due_at = redis.call('ZSCORE', queue.due, id)
  if not due_at or (new.mode == 'debounce' and tonumber(due_at) <= gate.time) then
    return
  end
  if new.mode == 'debounce' then
    local latest = tonumber(redis.call('ZSCORE', shard.expiry, new.key) or gate.time)
    redis.call('ZADD', queue.due, math.min(new.due or gate.time, latest), id)
  else
    redis.call('ZREM', queue.due, id)
    place(gate, queue, id, new.due, true)
  end
end

-- True where an id is enqueued again whose record was replaced by newer enqueues of its key: the original
-- cannot be compared any more, so the text of the key decides. A deploy may have changed the queue before it,
-- the group after it, or whether there is a key.
local function was_replaced(one, other, key)
  local task, options = parts_of(one)
  if not (task and options.replaced) or task ~= parts_of(other) then
    return false
  end
  local text = '^[^ ]* ([^\n]*)'
  return key == '' or string.match(tostring(options.key), text) == string.match(key, text)
end

-- What a new job finds under its dedupe key: the answer instead of storing it; or nil, and second the job
-- that is cancelled when the new one is stored. A job that waits for another attempt is not changed, because
-- handlers have seen its payload.
local function deduplicate(shard, gate, queue, new)
  local id, record, run = unfinished(shard.jobs, shard.runs, shard.keys, new.key)
  if not id or new.mode == 'unfinished' then
    return id
  end
  local _, _, _, _, events = split_run(run)
  -- What the handler of a job that is under way has done already does not know this enqueue.
  if has_rested(events) or redis.call('HEXISTS', shard.active, id) == 1 then
    return nil
  elseif new.mode == 'waiting' then
    return id
  elseif run and known_to_handlers(events) ~= '[]' then
    return nil, { id = id, record = record, run = run }
  end
  replace(shard, gate, queue, id, new)
  return id .. ' replaced'
end
