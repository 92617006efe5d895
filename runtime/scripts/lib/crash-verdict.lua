-- Judges a job whose worker was lost or handed it back. Returns whether the crash counts against the job, its
-- crashes from now on, and its state. `retry` marks a suspect: the next crash makes it dead, so it runs
-- alone. If the lost worker did not run a suspect alone (run-alone.lua records that), the job had not started
-- there, and the crash does not count against it.
local function crash_verdict(crashed, crashes, most, worker, events)
  local alone = string.format('"alone","%s"]]', worker)
  local blamed = crashed and (crashes + 1 < most or string.sub(events or '', -#alone) == alone)
  local counted = crashes + (blamed and 1 or 0)
  return blamed, counted, blamed and counted >= most and 'dead' or counted + 1 >= most and 'retry' or 'pending'
end
