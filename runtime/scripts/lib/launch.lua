-- Stores a run and enqueues the jobs that it begins with. `field` and `text` are those of its definition, `open` is the number of jobs that
-- it waits for before it ends. From ARGV[at] stand the number of its listeners, these, then for each job: job, place of its queue, delay (ms),
-- limit, record; `keys_of` gives pending list, due set and wake list of a place.
local function launch(stores, gate, run, record, field, text, open, at, keys_of)
  local woken = {}
  redis.call('HSETNX', stores.workflows, field, text)
  local last = at + tonumber(ARGV[at])
  for i = at + 1, last do
    redis.call('ZADD', stores.listeners, 0, ARGV[i])
  end
  for i = last + 1, #ARGV, 5 do
    local pending, due, wake_key = keys_of(ARGV[i + 1])
    begin(stores.jobs, gate, woken, ARGV[i], pending, due, wake_key, tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4])
  end
  local stamp = table.concat(redis.call('TIME'), '.')
  redis.call('HSET', stores.workflows, run, record, run .. ' :stamp', stamp, run .. ' :open', open)
  redis.call('ZADD', stores.running, gate.time, run)
  wake_each(woken)
end
