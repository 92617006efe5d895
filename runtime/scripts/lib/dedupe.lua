-- Needs: record

-- Dedupe keys: fields of `keys` that begin with a "!" and name the last job of their key. Nobody takes that job out when it
-- completes, so that jobs without such a key pay nothing: whether it is still there is found out when the key is used again.

-- The job that a dedupe key names, with its record and its run; nil when it has ended, is gone, or its id is another job's by now.
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

-- True for a job that must not run again, because a newer one of its key has been stored: what is old would come out last.
local function superseded(keys, options, id)
  local latest = (options.dedupe == 'replace' or options.dedupe == 'debounce') and redis.call('HGET', keys, options.key)
  return latest and latest ~= id
end
