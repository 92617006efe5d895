-- Tells the clients that wait for a job that it has ended.
local function publish(waits, tag, id)
  local clients = redis.call('HGET', waits, id)
  if clients then
    redis.call('HDEL', waits, id)
    for client in string.gmatch(clients, '%S+') do
      redis.call('PUBLISH', tag .. ':finished:' .. client, id)
    end
  end
end

-- Frees the idempotency key of a record, unless the key is to be held or belongs to a later job by now. The
-- end of its ttl stays known, so that a retry of this job within the ttl takes the key again instead of
-- running beside another job of the key.
local function free_key(keys, options, id)
  if options.key and not options.hold and redis.call('HGET', keys, options.key) == id then
    redis.call('HDEL', keys, options.key)
  end
end

-- Forgets what the handlers of these jobs have noted: steps, progress, waits, and the log unless the jobs are
-- kept. Their members of `listeners` are without effect from then on, and are removed by the next event or
-- when their time is over.
local function forget_notes(notes, ids, keeps_log)
  local fields = {}
  for i = 1, #ids do
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = ids[i], ids[i] .. ' progress', ids[i] .. ' waits'
    fields[#fields + 1] = not keeps_log and ids[i] .. ' log' or nil
  end
  redis.call('HDEL', notes, unpack(fields))
end
