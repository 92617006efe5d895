-- Needs: record

-- Dedupe keys: fields of `keys` that begin with a "!" and name the last job of their key. A completion does
-- not remove the field, so that jobs without such a key cost nothing more; the next use of the key checks
-- whether that job still exists.

-- The job that a dedupe key names, with its record and its run; nil when it has ended, is gone, or its id now
-- belongs to a job without this key.
local function unfinished(jobs, runs, keys, key)
  local id = redis.call('HGET', keys, key)
  local record = id and redis.call('HGET', jobs, id)
  if not record or options_of(record).key ~= key then
    return nil
  end
  local run = redis.call('HGET', runs, id)
  local _, _, state = split_run(run)
  if state == 'completed' or state == 'dead' or state == 'cancelled' then
    return nil
  end
  return id, record, run
end

-- True for a job that must not run again because a newer job of its key was stored: its outdated work would
-- overwrite the newer one's.
local function superseded(keys, options, id)
  local latest = (options.dedupe == 'replace' or options.dedupe == 'debounce') and redis.call('HGET', keys, options.key)
  return latest and latest ~= id
end

-- The events without the last one where a worker has noted there that it lacks the task: that changes nothing
-- of what handlers have done.
local function known_to_handlers(events)
  return (string.gsub(events, ',?%[%d+,"failed",%d+,"TaskUnknown","[^"]*",""%]%]$', ']'))
end

-- True for a job that sleeps or waits for an event: it goes on although there is a newer one.
local function has_rested(events)
  local known = known_to_handlers(events)
  return string.find(known, '"slept",%d+%]%]$') or string.find(known, '"waited",%d+%]%]$')
end
