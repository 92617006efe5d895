#!lua
-- enqueue: stores new jobs and puts each into the pending list or the due set of its queue, or lets it wait at the gate.
-- KEYS 1 jobs, 2 sent, 3 draining, 4 groups; then for each queue: pending, due, wake
--      then where there are others: keys, keys-expiry, limited, waiting, runs, active, done, waits, notes
-- ARGV 1 call number, 2 tag, 3 with 'drained': also what is drained is stored, with 'dates': '\1' in records is the time, 4 number of queues
--      5.. for each queue: name, most pending (0 = any number), n, 2 n lines, an id and a record each: id made by the client, no key, to run
--      at once
--      then the others, each: queue number, id, record, due ('' = at once, '+ms' = after, 'ms' = at), key field ('' = none),
--      key ttl, with a dedupe mode '<end> <mode> <ms to keep a job that is cancelled>', '' or '<limits> <group>' (see lib/gate-entry)
-- Returns the time in ms, then for each job that was not stored its position (from 0, in ARGV order) and: the id of the job that
--         is there, with ' replaced' if it has the new record; or '!' where the id is taken by another task or payload; or '#'
--         where the queue is full; or '~' where the queue or the task is drained.
--@include now
--@include wake
--@include last-reply
--@include is-drained put-plain

local call, others = ARGV[1] .. '\n', 5 + 3 * ARGV[4]
local before, draining = answer_before(KEYS[2], call, KEYS[3])
if before then
  return before
end
draining = not string.find(ARGV[3], 'drained', 1, true) and draining
local dates = string.find(ARGV[3], 'dates', 1, true)

local jobs, groups, time = KEYS[1], KEYS[4], now()
local reply, position, at, queues = { string.format('%.0f', time) }, 0, 5, {}

for q = 5, others - 1, 3 do
  local queue, most, n = { name = ARGV[at] }, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  queue.pending, queue.due, queue.wake, queue.room = KEYS[q], KEYS[q + 1], KEYS[q + 2], math.huge
  if most > 0 then
    queue.room = most - redis.call('LLEN', KEYS[q]) - (redis.call('HGET', groups, '#' .. queue.name) or 0)
  end
  local text = dates and string.gsub(ARGV[at + 3], '\1', reply[1]) or ARGV[at + 3]
  queue.room = queue.room - put_plain(jobs, queue, lines_of(text, 2 * n), n, draining, reply, position)
  queues[#queues + 1] = queue
  at, position = at + 4, position + n
end

if at > #ARGV then
  return remember(KEYS[2], call, reply)
end
-- The functions below are not even created for a call of plain jobs (decision 60).
--@include put-later
--@include rate gate-changes gate-groups gate-room gate
--@include gate-entry withdraw-from-gate
--@include record job-end event-of-call cancel-waiting
--@include dedupe place-job
--@include same-json same-job known-keys

local shard, gate = { jobs = jobs }, { groups = groups, time = time, late = {}, counts = {} }
shard.keys, shard.expiry, gate.limited, gate.waiting, shard.runs, shard.active, shard.done, shard.waits, shard.notes =
  unpack(KEYS, others)

while at <= #ARGV do
  local queue, id, record = queues[1 + tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  record = dates and string.gsub(record, '\1', reply[1]) or record
  local key, ttl, mode, keep = ARGV[at + 4], string.match(ARGV[at + 5], '^(%d+) ?(%l*) ?(%d*)$')
  local due, ends = due_time(ARGV[at + 3], time), time + ms_of(ttl)
  local existing, known, old = redis.call('HGET', jobs, id), nil, nil
  if existing then
    known = (same_job(existing, record) or was_replaced(existing, record, key)) and id or '!'
  elseif mode ~= '' then
    known, old = deduplicate(shard, gate, queue, { key = key, mode = mode, record = record, due = due })
  elseif key ~= '' then
    known = owner_of(shard, key, time)
  end
  if not known and draining and is_drained(draining, queue.name, record) then
    known = '~'
  elseif not known and not due and queue.room <= 0 then
    known = '#'
  end
  if known then
    reply[#reply + 1] = position .. ' ' .. known
  else
    if old then
      cancel_waiting(shard, gate, queue.due, ARGV[2], old.id, old.record, old.run, tonumber(keep), '')
    end
    redis.call('HSET', jobs, id, record)
    give_key(shard, key, id, ends)
    queue.room = queue.room - (due and 0 or 1)
    place_new(gate, queue, id, due, ARGV[at + 6])
  end
  at, position = at + 7, position + 1
end

write_down(gate)
return remember(KEYS[2], call, reply)
