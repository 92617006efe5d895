#!lua
-- log: adds lines to the logs of jobs that a worker runs or has run; the oldest lines of a long log are
--      removed.
-- KEYS 1 jobs, 2 active, 3 leases, 4 notes
-- ARGV 1 worker, 2 most lines, 3 most bytes of a job; then for each job: id, lines that were left out before
--      these, the lines, each with a line break at its end
-- Returns LOST (no lease), or the number of jobs whose lines are there: those that are gone or that another
--         worker holds are passed over.

local jobs, active, leases, notes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local worker, most, most_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end

local function add(field, left_out, lines)
  local before, text = string.match(redis.call('HGET', notes, field) or '0\n', '^(%d+)\n(.*)$')
  -- The call was sent again after a lost reply.
  if #lines > 0 and string.sub(text, -#lines) == lines then
    return
  end
  text = text .. lines
  local _, count = string.gsub(text, '\n', '')
  local from, dropped = 1, 0
  while count - dropped > most or #text - from >= most_bytes do
    from = string.find(text, '\n', from, true) + 1
    dropped = dropped + 1
  end
  redis.call('HSET', notes, field, string.format('%.0f\n', before + left_out + dropped) .. string.sub(text, from))
end

local added = 0
for i = 4, #ARGV, 3 do
  local id, owner = ARGV[i], redis.call('HGET', active, ARGV[i])
  -- A tombstone has three characters: nobody would remove its log.
  if (not owner or owner == worker) and redis.call('HSTRLEN', jobs, id) > 3 then
    add(id .. ' log', tonumber(ARGV[i + 1]), ARGV[i + 2])
    added = added + 1
  end
end
return added
