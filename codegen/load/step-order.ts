/** The order of a workflow's steps. Pure: names and what each needs. */

/** What each step needs; needs that are no steps are passed over. */
export type StepNeeds = ReadonlyMap<string, readonly string[]>;

/**
 * Every step after those that it needs; among those that may come next the first by name, so that the order in which a
 * person wrote them changes nothing. Steps of a circle, and those behind it, are left out.
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

/** Each circle once, as the steps on it, each before the one that it needs: `[a, b, c]` for a needs b needs c needs a. */
export function circlesOf(needs: StepNeeds): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): void => {
    path.push(name);
    for (const need of new Set(needs.get(name))) {
      if (!needs.has(need) || done.has(need)) continue;
      const from = path.indexOf(need);
      if (from === -1) visit(need);
      else circles.push(path.slice(from));
    }
    path.pop();
    done.add(name);
  };
  for (const name of [...needs.keys()].sort()) if (!done.has(name)) visit(name);
  return circles;
}

/** All that come before each step; of a circle, every step on it comes before itself. */
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
 * Those that have surely ended when a step begins. Whichever `join` of its needs have ended, a step has too when more than
 * the rest of them are it or come after it.
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
