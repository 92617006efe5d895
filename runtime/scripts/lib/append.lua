-- Stores the `n` pairs of id and record from `ARGV[first]` and puts them in line, without looking.
local function append(jobs, queue, first, n)
  if n > 0 then
    local ids = {}
    for i = 1, n do
      ids[i] = ARGV[first - 2 + 2 * i]
    end
    redis.call('HSET', jobs, unpack(ARGV, first, first + 2 * n - 1))
    redis.call('RPUSH', queue.pending, unpack(ids))
    wake(queue.wake)
  end
end
