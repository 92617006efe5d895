-- Needs: record, same-json

-- The options that only the caller of an enqueue sets. All others follow from the definition, which a deploy
-- may change, or from the time of the enqueue. Only a job of a workflow has a run.
local CHOSEN = { 'maxRetries', 'timeoutMs', 'keepCompletedMs', 'keepDeadMs', 'run' }

-- Version and task, options and payload of a record; nil for a tombstone, or where the options cannot be
-- read.
local function parts_of(record)
  local options, ends = options_of(record)
  return ends and string.match(record, '^%[(%d+,"[^"]*")'), options, ends and string.sub(record, ends + 2, -2)
end

-- True where the job of a known id is enqueued again, by whatever deploy: the same task, an equal payload and
-- equal options of its caller.
local function same_job(one, other)
  local head = '^(%[%d+,"[^"]*","[^"]*","[^"]*",{"at":)%d+'
  if string.gsub(one, head, '%1') == string.gsub(other, head, '%1') then
    return true
  end
  local task, options, payload = parts_of(one)
  local other_task, other_options, other_payload = parts_of(other)
  if not task or task ~= other_task then
    return false
  end
  for _, name in ipairs(CHOSEN) do
    if options[name] ~= other_options[name] then
      return false
    end
  end
  return same_json(payload, other_payload)
end
