-- Needs: drop-hole, job-end, record

-- What a purge finds under some ids of one place, and how it removes all of that at once.
local NO_OPTIONS = {}

-- In a due set the run distinguishes retries from jobs that were never tried; elsewhere only its state
-- counts.
local function state_in(place, run)
  local word = run and string.match(run, '^%[%d+,%d+,"(%a+)"') or 'pending'
  if place == 'due' then
    return word == 'retry' and word or 'scheduled'
  end
  return word == 'retry' and 'pending' or word
end

-- Sorts ids into jobs to remove, holes of a list, and ids that stay, and counts the steps of workflow runs
-- among these: a run must learn how each of its steps ends. `wanted` is place, queue, state and task ('' =
-- any).
local function sort_out(jobs, runs, wanted, ids)
  local records, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
  local found = { gone = {}, options = {}, holes = {}, stays = {}, steps = 0, bytes = 0, has_place = {} }
  for i = 1, #ids do
    local record, run = records[i] or '[0]', texts[i]
    local task, queue, first = string.match(record, '^%[%d+,"([^"]*)","([^"]*)","[^"]*",(.)')
    local options = first == '{' and options_of(record) or NO_OPTIONS
    local state = state_in(wanted.place, run)
    found.bytes = found.bytes + #record
    if wanted.place == 'pending' and (record == '[0]' or state == 'cancelled') then
      found.holes[#found.holes + 1] = { id = ids[i], record = record, run = run }
    elseif queue ~= wanted.queue or state ~= wanted.state or (wanted.task ~= '' and task ~= wanted.task) then
      found.stays[#found.stays + 1] = ids[i]
    elseif options.run and wanted.place ~= 'done' and wanted.place ~= 'dead' then
      found.stays[#found.stays + 1] = ids[i]
      found.steps = found.steps + 1
    else
      found.gone[#found.gone + 1], found.options[#found.options + 1] = ids[i], options
      if state == 'cancelled' and string.find(run, '^%[%d+,%d+,"cancelled",1,') then
        found.has_place[#found.has_place + 1], found.has_place[#found.has_place + 2] = ids[i], '[0]'
      end
    end
  end
  return found
end

-- Cleans up after cancelled and deleted jobs whose ids have left their list. Only the ids are left in
-- `holes`.
local function drop_holes(shard, holes)
  for i, hole in ipairs(holes) do
    local attempts, crashes, state, _, events = split_run(hole.run)
    local run = state == 'cancelled' and join_run(attempts, crashes, state, 'null', events)
    pass_hole(shard.jobs, shard.runs, hole.id, hole.record, run)
    holes[i] = hole.id
  end
end

-- Removes jobs with everything known about them. A job whose id still stands in a pending list leaves a
-- tombstone.
local function erase(shard, tag, found)
  local ids = found.gone
  redis.call('HDEL', shard.jobs, unpack(ids))
  redis.call('HDEL', shard.runs, unpack(ids))
  if #found.has_place > 0 then
    redis.call('HSET', shard.jobs, unpack(found.has_place))
  end
  if redis.call('EXISTS', shard.notes) == 1 then
    forget_notes(shard.notes, ids)
  end
  local is_awaited = redis.call('EXISTS', shard.waits) == 1
  for i = 1, #ids do
    if found.options[i].key then
      free_key(shard.keys, { key = found.options[i].key }, ids[i])
    end
    if is_awaited then
      publish(shard.waits, tag, ids[i])
    end
  end
end
