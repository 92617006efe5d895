-- Needs: hash-cache

-- Plans say which jobs may begin with the end of a step; most ends of a call share their plan. ARGV[at] is
-- the number of plans. Each plan is, separated by spaces: the number of the template of the job that decides,
-- then each job that may begin, "<template>:<need>" or "<template>:<need>:<item>". Need: n = with the nth
-- end, 0 = while the run goes on, -1 = unless the step is undone. A + after the number of a template says
-- that the worker would carry on with the job, which then has no limit and no delay. Returns the plans, and
-- the position of the first argument after them.
local function read_plans(at, templates)
  local plans, n = {}, tonumber(ARGV[at])
  for i = 1, n do
    local decider, plus, rest = string.match(ARGV[at + i], '^(%d+)(%+?)(.*)$')
    local plan = { decider = templates[tonumber(decider)], may_decide = plus ~= '' }
    for number, may, need, item in string.gmatch(rest, ' (%d+)(%+?):(-?%d+):?(%d*)') do
      local template, count = templates[tonumber(number)], tonumber(need)
      local field = template.step .. (count > 0 and '#' or count < 0 and '~' or '')
      plan[#plan + 1] = { template = template, need = count, item = item, field = field, may_carry = may ~= '' }
    end
    plans[i] = plan
  end
  return plans, at + n + 1
end

-- The end of a step, in three arguments from `at` on. First "<job> <run> <step, - = none> <plan>". Then its
-- outcome. Then '', or for few ends two lines: "<1 if the job ends with the step, 0 if another script ends
-- it> <state of the run from now on> <step whose item it is> <number of its items> <jobs to hasten, see
-- lib/hasten-jobs>", with - for none; and the output of the run if it completes with this end: "<keep (ms)>
-- <JSON>" ('' = still to be decided). Asks for the fields that decide about the end.
local function read_end(plans, at)
  local job, run, step, number = string.match(ARGV[at], '^(%S+) (%S+) (%S+) (%d+)$')
  local head, plan = run .. ' ', plans[tonumber(number)]
  for i = 1, #plan do
    ask(head .. plan[i].field)
  end
  local one = { job = job, run = run, head = head, plan = plan, outcome = ARGV[at + 1], ends_job = true,
    open = ask(head .. ':open'), state = ask(head .. ':state'), own = step ~= '-' and ask(head .. step) }
  if ARGV[at + 2] ~= '' then
    local ends_job, state, parent, total, hastened, finale = string.match(ARGV[at + 2], '^(%d) (%S+) (%S+) (%d+) ([^\n]*)\n(.*)$')
    one.ends_job, one.turns_to, one.hastened = ends_job == '1', state ~= '-' and state, hastened
    if state == 'compensating' then
      ask(head .. ':timeout')
    end
    one.keep, one.gives = string.match(finale, '^(%d+) (.*)$')
    if parent ~= '-' then
      one.parent, one.items, one.total = ask(head .. parent), ask(head .. parent .. '*#'), tonumber(total)
    end
  end
  return one
end

-- True for an end that makes its run fail. Any failing step may ask for the undoing, but not after the time
-- of the run is over.
local function turns(one)
  local state = known[one.state]
  local may_undo = state == 'failing' and one.turns_to == 'compensating' and not known[one.head .. ':timeout']
  return one.turns_to and (not state or may_undo)
end

-- The ends, from `at` on, whose jobs the worker holds, and the ids of the jobs that end with them.
local function read_ends(active, worker, plans, at)
  local ids, all, held, ended = {}, {}, {}, {}
  for i = 1, (#ARGV - at + 1) / 3 do
    local one = read_end(plans, at + 3 * i - 3)
    ids[i], all[i], one.number = one.job, one, i - 1
  end
  local owners = redis.call('HMGET', active, unpack(ids))
  for i = 1, #ids do
    if owners[i] == worker then
      held[#held + 1], ended[#ended + 1] = all[i], all[i].ends_job and ids[i] or nil
    end
  end
  return held, ended
end
