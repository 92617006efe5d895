#!lua
-- note: stores the latest progress of jobs that a worker runs, each in the place of the one before.
-- KEYS 1 active, 2 leases, 3 notes
-- ARGV 1 worker, then for each job: id, progress as JSON
-- Returns LOST (no lease), or the number of jobs noted: jobs that this worker does not hold are skipped.

local active, leases, notes, worker = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local lease = redis.call('ZSCORE', leases, worker)
if not lease or lease == '0' then
  return 'LOST'
end
local noted = 0
for i = 2, #ARGV, 2 do
  if redis.call('HGET', active, ARGV[i]) == worker then
    redis.call('HSET', notes, ARGV[i] .. ' progress', ARGV[i + 1])
    noted = noted + 1
  end
end
return noted
