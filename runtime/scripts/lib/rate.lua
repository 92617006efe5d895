-- Rates: at most so many starts of a group in any window of time. A start is a claim; an id in a pending list
-- has its start reserved. Additional fields of `groups`, with times of Redis:
-- % -> 1 where the shard has had rates
-- %<task> -> "<most starts> <window in ms>", and " 1" where its groups take turns (see lib/turns.lua), with a
--   window of 0 where they have no rate
-- <group> -> "<slots held> <starts reserved> <starts that count> <last end> <first end>
--   <starts before the last end>", on one line. Starts are counted per part of the window, until the end of
--   that part. For each part before the last one, oldest first, " <starts> <ms to the end of the next>"
--   follows.
-- What every claim changes stands in front: a start in the last part only increases a number, and the rest is
-- neither read nor rewritten.
local function rate_of(text)
  local most, per, turns = string.match(text or '', '^(%d+) (%d+) ?(1?)$')
  if most then
    most, per = tonumber(most), tonumber(per)
    local rate = { most = most, per = per, turns = turns == '1', grain = 1, coarse = 1, texts = {} }
    if most > 50 then
      rate.grain, rate.coarse = math.max(1, math.floor(per / 50)), math.max(1, math.floor(per / 5))
    end
    return rate
  end
end

-- The time until which a start counts, if `n` starts count with it; second, that time as it stands after
-- their number. While at most a tenth of the rate is used, starts are counted per fifth of the window, which
-- keeps the text short for groups far from their rate.
local function ending_of(rate, time, n)
  local grain = n * 10 <= rate.most and rate.coarse or rate.grain
  local ending = rate[grain]
  if not ending then
    ending = math.ceil((time + rate.per) / grain) * grain
    rate[grain], rate.texts[grain] = ending, string.format(' %.0f ', ending)
  end
  return ending, rate.texts[grain]
end

-- The recorded starts of a group. No end is further away than a window: if one is, the clock was set back or
-- a deploy has shortened the window, and all ends move nearer by the difference.
local function read_starts(gate, rate, group)
  local last, first, before, older = string.match(group.tail, '^ (%d+) (%d+) (%d+)(.*)$')
  last = last and tonumber(last) or 0
  if last <= gate.time then
    group.total = 0
    return { first = 0, last = 0, before = 0, older = '' }
  end
  local latest, total, at = gate.time + rate.per + rate.coarse, group.total, 1
  first, before = tonumber(first) - math.max(0, last - latest), tonumber(before)
  local some, gap, behind = string.match(older, '^ (%d+) (%d+)()')
  while some and first <= gate.time do
    total, before, first, at = total - some, before - some, first + gap, behind
    some, gap, behind = string.match(older, '^ (%d+) (%d+)()', at)
  end
  group.total = total
  return { first = first, last = math.min(last, latest), before = before, older = string.sub(older, at), moved = last > latest }
end

-- The text after the number of starts.
local function starts_text(log)
  return string.format(' %.0f %.0f %.0f', log.last, log.first, log.before) .. log.older
end

-- Time from which the group may start one more: 0 = now, huge = ids that have not started yet reserve all
-- places.
local function next_start(log, total, reserved, most)
  local ending, over = log.first, reserved + total - most + 1
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
  return over <= total - log.before and log.last or math.huge
end
