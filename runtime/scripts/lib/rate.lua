-- Rates: at most so many starts of a group in any window of time. A start is a claim; an id that stands in a pending list has the
-- place of its start reserved. In `groups` besides what the gate has there, `time` being that of Redis:
-- % -> 1 where the shard has had rates, %<task> -> "<most starts> <window in ms>", and " 1" where its groups take turns (see
-- turns.lua), with a window of 0 where they have no rate
-- <group> -> "<slots held> <places reserved> <starts that count> <last end> <first end> <starts before the last end>": the starts stand
-- in parts of the window and count until the end of theirs; then for each part before the last one, the oldest first,
-- " <starts> <ms to the end of the next>". What one claim after the other changes stands in front: a start in the part of the last
-- one is a number that grows, and the rest is neither read nor made anew.
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

-- Until when a start counts with which `n` do; second, as it stands behind their number. As long as only a tenth of the places is taken,
-- starts stand in fifths of the window, which keeps short what is known of a group far from its rate.
local function ending_of(rate, time, n)
  local grain = n * 10 <= rate.most and rate.coarse or rate.grain
  local ending = rate[grain]
  if not ending then
    ending = math.ceil((time + rate.per) / grain) * grain
    rate[grain], rate.texts[grain] = ending, string.format(' %.0f ', ending)
  end
  return ending, rate.texts[grain]
end

-- What is known of the starts of a group. No end is further away than a window: where one is, the clock has gone back or a deploy
-- has made the window shorter, and all come nearer by so much.
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

-- What stands behind their number.
local function starts_text(log)
  return string.format(' %.0f %.0f %.0f', log.last, log.first, log.before) .. log.older
end

-- Time from which the group may start one more: 0 = now, huge = ids that have not started yet have all places.
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
