#!lua flags=allow-oom
-- forget-run: removes fields of a workflow run whose retention has ended, and what is kept of its jobs, a part of them at a time.
--             A run that is a step of another goes with that one.
-- KEYS 1 workflows, 2 ended, 3 jobs, 4 runs, 5 done, 6 dead, 7 notes
-- ARGV 1 run, 2 1 with the last part, else 0, 3 run whose retention counts, 4 number of fields, then these, then jobs
-- Returns the number of fields removed. The last run that is pinned to a definition takes it along.
--@include now
--@include finish

local workflows, ended, done, dead, run, last = KEYS[1], KEYS[2], KEYS[5], KEYS[6], ARGV[1], 4 + ARGV[4]

-- Nobody reads a definition to which no run is pinned; the next that starts under its hash stores it again.
local function unpin(record)
  local workflow, hash = string.match(record or '', '^%[%d+,"([^"]*)","([^"]*)"')
  local field = workflow and '@' .. workflow .. ' ' .. hash
  if field and redis.call('HINCRBY', workflows, field .. '#', -1) <= 0 then
    redis.call('HDEL', workflows, field, field .. '#')
  end
end

local removal = redis.call('ZSCORE', ended, ARGV[3])
if not removal or not redis.call('ZSCORE', ended, run) or tonumber(removal) > now() then
  return 0
end
if ARGV[2] == '1' then
  redis.call('ZREM', ended, run)
  unpin(redis.call('HGET', workflows, run))
end
-- Nobody could do anything with them any more, and a later run of this id would have jobs of the same ids.
local kept = {}
if last < #ARGV then
  local in_done = redis.call('ZMSCORE', done, unpack(ARGV, last + 1))
  local in_dead = redis.call('ZMSCORE', dead, unpack(ARGV, last + 1))
  for i = 1, #ARGV - last do
    kept[#kept + 1] = (in_done[i] or in_dead[i]) and ARGV[last + i] or nil
  end
end
if #kept > 0 then
  redis.call('ZREM', done, unpack(kept))
  redis.call('ZREM', dead, unpack(kept))
  redis.call('HDEL', KEYS[3], unpack(kept))
  redis.call('HDEL', KEYS[4], unpack(kept))
  forget_notes(KEYS[7], kept)
end
return last > 4 and redis.call('HDEL', workflows, unpack(ARGV, 5, last)) or 0
