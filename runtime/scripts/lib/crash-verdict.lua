-- What it says about a job that its worker was lost or gave it back: whether the crash is held against it, its crashes from now
-- on, its state. `retry` is a suspect, which the next crash makes dead and which therefore runs alone. If the lost worker did
-- not run it alone (run-alone.lua notes that), it had not started there, and it pays for nobody's crash.
local function crash_verdict(crashed, crashes, most, worker, events)
  local alone = string.format('"alone","%s"]]', worker)
  local blamed = crashed and (crashes + 1 < most or string.sub(events or '', -#alone) == alone)
  local counted = crashes + (blamed and 1 or 0)
  return blamed, counted, blamed and counted >= most and 'dead' or counted + 1 >= most and 'retry' or 'pending'
end
