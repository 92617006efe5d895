-- Reads the leading fields of the two stored texts; see docs/protocol.md. Names have no quotes in them, so a pattern is safe.
local function queue_of(record)
  return string.match(record, '^%[%d+,"[^"]*","([^"]*)"')
end

-- attempts, crashes, state, detail and events (both as JSON text) of a run; a job without a run is new.
local function split_run(run)
  if not run then
    return 0, 0, 'pending', 'null', '[]'
  end
  local attempts, crashes, state, rest = string.match(run, '^%[(%d+),(%d+),"(%a+)",(.*)%]$')
  local decoded = cjson.decode('[' .. rest .. ']')
  local events = {}
  for i = 1, #decoded[2] do
    events[i] = cjson.encode(decoded[2][i])
  end
  local detail = decoded[1] == cjson.null and 'null' or cjson.encode(decoded[1])
  return tonumber(attempts), tonumber(crashes), state, detail, '[' .. table.concat(events, ',') .. ']'
end

-- Puts a run together again, with one more event.
local function join_run(attempts, crashes, state, detail, events, event)
  local list = events == '[]' and '[' .. event .. ']' or string.sub(events, 1, -2) .. ',' .. event .. ']'
  return '[' .. attempts .. ',' .. crashes .. ',"' .. state .. '",' .. detail .. ',' .. list .. ']'
end

-- The options of a record, or an empty table.
local function options_of(record)
  local options = cjson.decode(record)[5]
  return type(options) == 'table' and options or {}
end
