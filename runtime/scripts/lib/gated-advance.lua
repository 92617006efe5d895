-- Needs: admit, claim, claim-past-paused, count-starts, gate-changes,
-- gate-many, gate-openings, groups-to-admit, paused-tasks, promote, queues-to-hint, resumed-tasks, turns

-- The additional steps of `advance` where jobs have limits, or a queue or task is paused (then `paused` is
-- the key). Without limits and paused tasks there is no gate.
local function gated_advance(gate, has_limits, paused, want)
  local shut, gated = paused and want > 0 and shut_of(paused) or { queues = {} }, {}
  gate = (shut.tasks or has_limits) and gate_of(gate)
  if shut.tasks then
    gate.shut = shut.tasks
    reopen(gate, paused)
  end

  function gated.let_out(ids)
    return gate and release_all(gate, ids)
  end

  function gated.enter(ids)
    return gate and entering(gate, ids) or ids
  end

  function gated.call_up(at, k)
    return gate and call_up(gate, at, k)
  end

  function gated.admit(queue, pending)
    return gate and admit(gate, queue, pending, want)
  end

  function gated.is_shut(queue)
    return shut.queues[queue]
  end

  function gated.claim(pending, quotas, names, wakes)
    local follow = gate and gate.rates and follower(gate, names, pending)
    if shut.tasks then
      return claim_around(gate, pending, quotas, want, names, wakes, follow)
    end
    return claim(pending, quotas, want, follow)
  end

  -- Writes the changes of the gate. Returns the ms until the next due time or opening, and the queues that
  -- need a hint.
  function gated.close(next_due)
    if not gate then
      return next_due, ''
    end
    write_down(gate)
    local opening = gate.rates and nearest_opening(gate) or -1
    return sooner(next_due, opening), to_hint(gate, gate.queues)
  end

  return gated
end
