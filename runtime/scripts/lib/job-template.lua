-- Needs: begin-step, in-chunks

-- Templates of the jobs of runs: what all jobs of one step share is sent once a call. ARGV[at] is the number
-- of templates; of each follow: its step ('' = none), the suffix of its job ids after the run, place of the
-- queue, delay (ms), limit, and the text of the record before and after the part that differs. Returns the
-- templates, and the position of the first argument after them. `keys_of` gives pending list, due set and
-- wake list of a place.
local function read_templates(at, keys_of)
  local templates, from = {}, at + 1
  for i = 1, tonumber(ARGV[at]) do
    local template = { step = ARGV[from], suffix = ARGV[from + 1] }
    template.pending, template.due, template.wake = keys_of(ARGV[from + 2])
    template.delay, template.limit, template.before, template.after = tonumber(ARGV[from + 3]), ARGV[from + 4], ARGV[from + 5], ARGV[from + 6]
    templates[i], from = template, from + 7
  end
  return templates, from
end

-- Enqueues a job of a run, or gives it to a worker. `item` is its number in a fan-out, or ''; `gate.stamp` is
-- the text after the run in a record made now. Records, places in lists and owners are collected until
-- write_made.
local records, lines, owned = {}, {}, {}

local function make_job(gate, woken, template, run, item, worker)
  local id, n = run .. template.suffix, #records
  if item == '' then
    records[n + 2] = template.before .. '"run":"' .. run .. gate.stamp .. template.after
  else
    id = id .. '.' .. item
    records[n + 2] = template.before .. '"run":"' .. run .. gate.stamp .. '"item":' .. item .. ',' .. template.after
  end
  records[n + 1] = id
  if worker then
    owned[#owned + 1], owned[#owned + 2] = id, worker
  elseif lines_up(gate, woken, id, template.pending, template.due, template.wake, template.delay, template.limit) then
    local line = lines[template.pending] or {}
    lines[template.pending], line[#line + 1] = line, id
  end
end

-- Returns the error if Redis refused a list (its key has another type): the rest must be written all the
-- same. weft fsck finds a job that is missing from its list.
local function write_made(jobs, active)
  in_chunks(records, function(...)
    redis.call('HSET', jobs, ...)
  end)
  in_chunks(owned, function(...)
    redis.call('HSET', active, ...)
  end)
  local refusal
  for pending, line in pairs(lines) do
    local fine, why = pcall(in_chunks, line, function(...)
      redis.call('RPUSH', pending, ...)
    end)
    refusal = refusal or (not fine and why)
  end
  return refusal
end
