// The graph of steps: for any graph, the order is right and circles are found when there are any.
import fc from "fast-check";
import { expect, it } from "vitest";
import { circlesOf, stepOrder, stepsBefore, stepsEnded } from "../../../codegen/load/workflows/step-order.js";

const NAMES = ["a", "b", "c", "d", "e", "f", "g"];
/** Each step needs any others: circles are likely. */
const anyGraph = fc
  .array(fc.subarray(NAMES), { minLength: 1, maxLength: NAMES.length })
  .map((needs) => new Map(needs.map((own, index) => [NAMES[index] ?? "", own])));
/** Each step needs some of those before it, in an order that is not that of the names. */
const acyclic = fc
  .shuffledSubarray(NAMES, { minLength: 1 })
  .chain((names) =>
    fc
      .tuple(...names.map((_name, index) => fc.subarray(names.slice(0, index))))
      .map((needs) => new Map(names.map((name, index) => [name, needs[index] ?? []]))),
  );

it("orders each step after those that it needs, by name where it may", () => {
  fc.assert(
    fc.property(acyclic, (needs) => {
      const order = stepOrder(needs);
      expect([...order].sort()).toEqual([...needs.keys()].sort());
      for (const [name, own] of needs)
        for (const need of own) expect(order.indexOf(need)).toBeLessThan(order.indexOf(name));
      expect(stepOrder(new Map([...needs].reverse()))).toEqual(order);
      expect(circlesOf(needs)).toEqual([]);
    }),
  );
});

it("finds a circle when there is one, and each that it names is one", () => {
  fc.assert(
    fc.property(anyGraph, (needs) => {
      const circles = circlesOf(needs);
      expect(circles.length > 0).toBe(stepOrder(needs).length < needs.size);
      for (const circle of circles) {
        expect(new Set(circle).size).toBe(circle.length);
        circle.forEach((name, index) => {
          expect(needs.get(name)).toContain(circle[(index + 1) % circle.length]);
        });
      }
      // Every step that comes before itself is on a circle, and so is every step of a circle.
      const before = stepsBefore(needs);
      for (const name of circles.flat()) expect(before.get(name)?.has(name)).toBe(true);
    }),
  );
});

it("knows what has surely ended: what has in every way in which a run can get there", () => {
  const graph = acyclic.chain((needs) =>
    fc
      .tuple(...Array.from(needs.values(), (own) => fc.integer({ min: 1, max: Math.max(1, own.length) })))
      .map((joins) => ({ needs, joins: new Map([...needs.keys()].map((name, i) => [name, joins[i] ?? 1])) })),
  );
  fc.assert(
    fc.property(graph, ({ needs, joins }) => {
      const ended = stepsEnded(needs, joins);
      // Every run as a list of steps that have ended; what begins in the fewest steps tells.
      for (const name of needs.keys()) {
        const least = waysTo(name, needs, joins);
        const surely = [...needs.keys()].filter((one) => least.every((way) => way.has(one)));
        expect([...(ended.get(name) ?? [])].sort()).toEqual(surely.sort());
      }
    }),
    { numRuns: 60 },
  );
});

/** All sets of steps that may have ended when a step begins, the smallest of each kind. */
function waysTo(
  name: string,
  needs: ReadonlyMap<string, readonly string[]>,
  joins: ReadonlyMap<string, number>,
): ReadonlySet<string>[] {
  const own = needs.get(name) ?? [];
  if (own.length === 0) return [new Set()];
  return choices(own, joins.get(name) ?? own.length).flatMap((chosen) =>
    chosen.reduce<ReadonlySet<string>[]>(
      (ways, need) =>
        waysTo(need, needs, joins).flatMap((way) => ways.map((other) => new Set([...other, ...way, need]))),
      [new Set()],
    ),
  );
}

function choices(from: readonly string[], count: number): string[][] {
  if (count === 0) return [[]];
  return from.flatMap((first, index) =>
    choices(from.slice(index + 1), count - 1).map((rest) => [first, ...rest]),
  );
}
