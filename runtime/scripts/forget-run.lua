#!lua flags=allow-oom
-- forget-run: removes fields of workflow runs whose retention has ended, and what is kept of their jobs,
--             large runs in several parts. A run that is a step of another goes with that one.
-- KEYS 1 workflows, 2 ended, 3 jobs, 4 runs, 5 done, 6 dead, 7 notes
-- ARGV 1 .. for each part: run, 1 with the last part of a run, else 0, run whose retention counts, number of
--      fields, then these, number of jobs, then these
-- Returns the number of fields removed. The last run that is pinned to a definition takes it along.
--@include now
--@include job-end

local workflows, ended, done, dead, time = KEYS[1], KEYS[2], KEYS[5], KEYS[6], now()

-- Nobody reads a definition without runs; the next run that starts under its hash stores it again.
local function unpin(record)
  local workflow, hash = string.match(record or '', '^%[%d+,"([^"]*)","([^"]*)"')
  local field = workflow and '@' .. workflow .. ' ' .. hash
  if field and redis.call('HINCRBY', workflows, field .. '#', -1) <= 0 then
    redis.call('HDEL', workflows, field, field .. '#')
  end
end

-- Kept jobs of a forgotten run are of no use, and a later run of this id would have jobs with the same ids.
local function forget_jobs(ids)
  local in_done, in_dead, kept = redis.call('ZMSCORE', done, unpack(ids)), redis.call('ZMSCORE', dead, unpack(ids)), {}
  local noted = {}
  for i = 1, #ids do
    local is_kept = in_done[i] or in_dead[i]
    kept[#kept + 1] = is_kept and ids[i] or nil
    -- The notes of an item stay for its turn in a retry (see resume-run), which may never come.
    noted[#noted + 1] = (is_kept or string.find(ids[i], '%.%d+$')) and ids[i] or nil
  end
  if #kept > 0 then
    redis.call('ZREM', done, unpack(kept))
    redis.call('ZREM', dead, unpack(kept))
    redis.call('HDEL', KEYS[3], unpack(kept))
    redis.call('HDEL', KEYS[4], unpack(kept))
  end
  if #noted > 0 and redis.call('EXISTS', KEYS[7]) == 1 then
    forget_notes(KEYS[7], noted)
  end
end

local function is_over(run, owner)
  local removal = redis.call('ZSCORE', ended, owner)
  return removal and tonumber(removal) <= time and (run == owner or redis.call('ZSCORE', ended, run))
end

local at, removed = 1, 0
while at <= #ARGV do
  local run, is_last, owner = ARGV[at], ARGV[at + 1] == '1', ARGV[at + 2]
  local fields_end = at + 3 + ARGV[at + 3]
  local jobs_end = fields_end + 1 + ARGV[fields_end + 1]
  if is_over(run, owner) then
    if is_last then
      redis.call('ZREM', ended, run)
      unpin(redis.call('HGET', workflows, run))
    end
    if jobs_end > fields_end + 1 then
      forget_jobs({ unpack(ARGV, fields_end + 2, jobs_end) })
    end
    removed = removed + (fields_end > at + 3 and redis.call('HDEL', workflows, unpack(ARGV, at + 4, fields_end)) or 0)
  end
  at = jobs_end + 1
end
return removed
