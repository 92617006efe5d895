/** The order of a workflow's steps. Pure: works on names and needs only. */

/** The needs of each step; unknown names are ignored. */
export type StepNeeds = ReadonlyMap<string, readonly string[]>;

/**
 * Topological order: every step after those it needs. Ties are resolved by name, so that the order in the
 * file does not matter. Steps on a cycle, and those behind it, are left out.
 */
export function stepOrder(needs: StepNeeds): string[] {
  const waiting = new Map(
    Array.from(needs, ([name, own]) => [name, new Set(own.filter((n) => needs.has(n)))]),
  );
  const order: string[] = [];
  const names = [...needs.keys()].sort();
  for (;;) {
    const next = names.find((name) => waiting.get(name)?.size === 0);
    if (next === undefined) return order;
    order.push(next);
    waiting.delete(next);
    for (const open of waiting.values()) open.delete(next);
  }
}

/**
 * Each cycle once, as its steps, each before the one that it needs: `[a, b, c]` if a needs b, b needs c and c
 * needs a.
 */
export function circlesOf(needs: StepNeeds): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const left = (name: string): Iterator<string> => new Set(needs.get(name)).values();
  // With a stack of its own: a chain of workflows may be longer than that of calls.
  const visit = (start: string): void => {
    const path = [start];
    const open = [left(start)];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { done: isOver, value: need } = top.next();
      if (isOver === true) {
        open.pop();
        done.add(path.pop()!);
        continue;
      }
      if (!needs.has(need) || done.has(need)) continue;
      const from = path.indexOf(need);
      if (from !== -1) circles.push(path.slice(from));
      else {
        path.push(need);
        open.push(left(need));
      }
    }
  };
  for (const name of [...needs.keys()].sort()) if (!done.has(name)) visit(name);
  return circles;
}

/** All steps that come before each step; a step on a cycle comes before itself. */
export function stepsBefore(needs: StepNeeds): Map<string, ReadonlySet<string>> {
  return new Map(
    Array.from(needs.keys(), (name) => {
      const before = new Set(needs.get(name)?.filter((need) => needs.has(need)));
      for (const one of before)
        for (const need of needs.get(one) ?? []) if (needs.has(need)) before.add(need);
      return [name, before];
    }),
  );
}

/**
 * The steps that have certainly ended when each step begins. A step is one of them if more than `needs - join`
 * of the needs are that step or come after it: whichever `join` needs have ended, one of these is among them.
 */
export function stepsEnded(
  needs: StepNeeds,
  joins: ReadonlyMap<string, number>,
): Map<string, ReadonlySet<string>> {
  const ended = new Map<string, ReadonlySet<string>>();
  for (const name of stepOrder(needs)) {
    const own = [...new Set(needs.get(name)?.filter((need) => needs.has(need)))];
    const rest = own.length - Math.min(joins.get(name) ?? own.length, own.length);
    const counts = new Map<string, number>();
    for (const need of own)
      for (const one of [need, ...(ended.get(need) ?? [])]) counts.set(one, (counts.get(one) ?? 0) + 1);
    ended.set(name, new Set([...counts].filter(([, count]) => count > rest).map(([one]) => one)));
  }
  return ended;
}
