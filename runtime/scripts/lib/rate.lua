-- Rates: at most so many starts of a group in any window of time. A start is a claim; an id that stands in a pending list has the
-- place of its start reserved. Fields of `groups` besides those of the gate, `time` being that of Redis:
-- % -> 1 where the shard has had rates, %<task> -> "<most starts> <window in ms>", and " 1" where its groups take turns (see
-- turns.lua), with a window of 0 where they have no rate
-- %<group> -> "<starts that count> <first end> <last end> <starts>": the starts stand in at most some 50 parts of the window and
-- count until the end of theirs, and those named are of the last part; then for each part before it, the oldest first,
-- " <starts> <ms to the end of the next>". So what a claim reads and writes is short.
local function rate_of(text)
  local most, per, turns = string.match(text or '', '^(%d+) (%d+) ?(1?)$')
  if most then
    most, per = tonumber(most), tonumber(per)
    return { most = most, per = per, turns = turns == '1', grain = most > 50 and math.max(1, math.floor(per / 50)) or 1 }
  end
end

-- What is known of the starts of a group. No end is further away than a window: where one is, the clock has gone back or a deploy
-- has made the window shorter, and all come nearer by so much.
local function read_starts(gate, rate, text)
  local total, first, last, n, at = string.match(text or '', '^(%d+) (%d+) (%d+) (%d+)()')
  last = total and tonumber(last) or 0
  if last <= gate.time then
    return { rate = rate, total = 0, first = 0, last = 0, n = 0, older = '' }
  end
  local latest = gate.time + rate.per + rate.grain
  total, first = tonumber(total), tonumber(first) - math.max(0, last - latest)
  local some, gap, behind = string.match(text, '^ (%d+) (%d+)()', at)
  while some and first <= gate.time do
    total, first, at = total - some, first + gap, behind
    some, gap, behind = string.match(text, '^ (%d+) (%d+)()', at)
  end
  local older = string.sub(text, at)
  return { rate = rate, total = total, first = first, last = math.min(last, latest), n = tonumber(n), older = older, moved = last > latest }
end

-- As it is stored; nil for nothing.
local function starts_text(log)
  return log.n > 0 and string.format('%d %d %d %d', log.total, log.first, log.last, log.n) .. log.older or nil
end

-- Time from which the group may start one more: 0 = now, huge = ids that have not started yet have all places.
local function next_start(log, reserved)
  local ending, over = log.first, reserved + log.total - log.rate.most + 1
  if over <= 0 then
    return 0
  end
  for n, gap in string.gmatch(log.older, ' (%d+) (%d+)') do
    over = over - n
    if over <= 0 then
      return ending
    end
    ending = ending + gap
  end
  return over <= log.n and log.last or math.huge
end
