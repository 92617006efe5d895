-- The end of a step, of which the arguments from `at` on say: job, run, step ('' = none), its outcome, number of the mold of the job that
-- decides, jobs that may begin ("<mold> <need>" or "<mold> <need> <item>", separated by commas), and of few ends (else ''): "<1 if the
-- job ends with the step, 0 if another script ends it> <state of the run from now on> <step whose item it is> <number of its items>
-- <jobs to hasten, see lib/hasten>", with - where there is none. Need: n = with the nth end, 0 = while the run goes on, -1 = always.
-- Asks for the fields by which it is judged. Second, whether its job ends with it.
local function read_end(molds, at)
  local run, step, begins = ARGV[at + 1], ARGV[at + 2], {}
  local head, count = run .. ' ', 0
  for number, need, item in string.gmatch(ARGV[at + 5], '(%d+) (-?%d+) ?(%d*)') do
    local mold, n = molds[tonumber(number)], tonumber(need)
    local field = n >= 0 and ask(head .. mold.step .. (n > 0 and '#' or ''))
    count = count + 1
    begins[count] = { mold = mold, need = n, item = item, field = field }
  end
  local one = { run = run, outcome = ARGV[at + 3], decider = molds[tonumber(ARGV[at + 4])], begins = begins,
    open = ask(head .. ':open'), state = ask(head .. ':state'), own = step ~= '' and ask(head .. step) }
  if ARGV[at + 6] == '' then
    return one, true
  end
  local ends_job, state, parent, total, hastened = string.match(ARGV[at + 6], '^(%d) (%S+) (%S+) (%d+) (.*)$')
  one.turns_to, one.hastened = state ~= '-' and state, hastened
  if parent ~= '-' then
    one.parent, one.items, one.total = ask(head .. parent), ask(head .. parent .. '*#'), tonumber(total)
  end
  return one, ends_job == '1'
end
