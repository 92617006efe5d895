-- Reads the leading fields of the two stored texts; see docs/protocol.md. Names have no quotes in them, so a
-- pattern is safe. Payloads, results and events are never decoded: cjson refuses what JSON allows (half a
-- surrogate pair, 1,000 levels), and a script that stops half-way leaves a job nowhere.
local function queue_of(record)
  return string.match(record, '^%[%d+,"[^"]*","([^"]*)"')
end

-- Attempts, crashes, state, detail and events (both as JSON text) of a run; a job without a run is new. For a
-- completed run whose result is no plain word, detail and events are nil: no script needs them. An unreadable
-- run counts as new, because an error would stop the script for all jobs of the call; the sixth result is
-- true for such a run.
local function split_run(run)
  local pattern = '^%[(%d+),(%d+),"(%a+)",(.*)%]$'
  local attempts, crashes, state, rest = string.match(run or '[0,0,"pending",null,[]]', pattern)
  local detail, events = string.match(rest or '', '^(%w+),(%[.*)$')
  if not state or not (events or state == 'completed') then
    return 0, 0, 'pending', 'null', '[]', true
  end
  return tonumber(attempts), tonumber(crashes), state, detail, events
end

-- Builds the text of a run, with one more event if given.
local function join_run(attempts, crashes, state, detail, events, event)
  local list = events
  if event then
    list = events == '[]' and '[' .. event .. ']' or string.sub(events, 1, -2) .. ',' .. event .. ']'
  end
  return '[' .. attempts .. ',' .. crashes .. ',"' .. state .. '",' .. detail .. ',' .. list .. ']'
end

-- The options of a record, or an empty table; second, the position where they end, unless they cannot be
-- read. They hold no maps, so they end at the first brace outside quotes.
local function options_of(record)
  local first, char = string.match(record, '^%[%d+,"[^"]*","[^"]*","[^"]*",()([0{])')
  if char ~= '{' then
    return {}, first
  end
  local last, quoted = first, false
  while char ~= '}' do
    last = string.find(record, quoted and '["\\]' or '["}]', last + 1)
    if not last then
      return {}
    end
    char = string.sub(record, last, last)
    if char == '"' then
      quoted = not quoted
    elseif char == '\\' then
      last = last + 1
    end
  end
  -- A key that is not valid Unicode cannot be decoded. Such a record owns no key, and its job must still be
  -- able to end.
  local decoded, options = pcall(cjson.decode, string.sub(record, first, last))
  if not decoded then
    return {}
  end
  return options, last
end
