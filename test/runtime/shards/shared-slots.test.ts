// The slots of a worker over its shards: who may claim how much, and that nobody starves.
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { type Share, SharedSlots, type SlotUser } from "../../../runtime/worker/claims/shared-slots.js";

class Part implements SlotUser {
  load = 0;
  wants = true;
  looks = 0;
  closed = false;
  share!: Share;
  readonly running = (): number => this.load;
  ahead = 0;
  readonly coming = (): number => this.ahead;
  readonly hungry = (): boolean => this.wants;
  readonly busy = (): number => this.load;
  readonly look = (): void => void (this.looks += 1);
  readonly close = (): void => void (this.closed = true);
  readonly open = (): void => void (this.closed = false);

  take(): void {
    this.load = Math.max(this.load, Math.min(this.share.claimable(), this.share.startable()));
  }

  end(): void {
    this.load -= 1;
    this.share.freed();
  }
}

function parts(count: number, concurrency: number): readonly Part[] {
  const slots = new SharedSlots(concurrency);
  return Array.from({ length: count }, () => {
    const part = new Part();
    part.share = slots.join(part);
    return part;
  });
}

describe("the parts of a worker", () => {
  test("share equally while all have work, and one that has none leaves its share to the others", () => {
    const [one, two, three] = parts(3, 20) as [Part, Part, Part];
    for (const part of [one, two, three]) part.take();
    expect([one, two, three].map(({ load }) => load)).toEqual([7, 7, 6]);
    Object.assign(two, { load: 0, wants: false });
    expect(one.share.claimable() + three.share.claimable()).toBe(20);
  });

  test("get their share back as the jobs of those who borrowed it end", () => {
    const [one, two] = parts(2, 10) as [Part, Part];
    two.wants = false;
    one.take();
    expect(one.load).toBe(10);
    two.wants = true;
    for (let ended = 0; ended < 5; ended += 1) {
      one.end();
      one.take();
      two.take();
    }
    expect([one.load, two.load]).toEqual([5, 5]);
    expect(two.looks).toBe(5);
  });

  test("keep no share from others by what they have claimed ahead", () => {
    const [one, two] = parts(2, 6) as [Part, Part];
    Object.assign(one, { load: 6, ahead: 6 });
    expect([one.share.startable(), two.share.claimable()]).toEqual([3, 0]);
    one.load = 3;
    expect([one.share.claimable(), two.share.claimable(), two.share.startable()]).toEqual([3, 3, 3]);
    two.wants = false;
    expect(one.share.startable()).toBe(6);
  });

  test("never hold more than there are, and all get on, with any number of shards and slots", () => {
    const moves = fc.array(fc.tuple(fc.nat(), fc.constantFrom("take", "end", "rest", "wake")), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        moves,
        (count, most, steps) => {
          const all = parts(count, most);
          for (const [any, move] of steps) {
            const part = all[any % count]!;
            if (move === "take" && part.wants) part.take();
            if (move === "end" && part.load > 0) part.end();
            if (move === "rest") part.wants = false;
            if (move === "wake") part.wants = true;
            expect(all.reduce((sum, { load }) => sum + load, 0)).toBeLessThanOrEqual(most);
          }
          // Everybody wants one slot, whose jobs end one after the other.
          const served = new Set<Part>();
          for (const part of all) part.wants = true;
          for (let turn = 0; turn < 3 * count * most && served.size < count; turn += 1) {
            for (const part of all) {
              part.take();
              if (part.load > 0) served.add(part);
            }
            const busy = all.filter(({ load }) => load > 0);
            busy[turn % busy.length]!.end();
          }
          expect(served.size).toBe(count);
        },
      ),
    );
  });
});

test("one suspect runs alone in all parts, and the next only after it", () => {
  const [one, two] = parts(2, 4) as [Part, Part];
  two.load = 2;
  expect(one.share.suspects.hold()).toBe(true);
  expect([two.closed, two.share.suspects.elsewhere(), two.share.suspects.hold()]).toEqual([
    true,
    "draining",
    false,
  ]);
  expect(one.share.suspects.busyElsewhere()).toBe(2);
  one.share.suspects.alone();
  expect(two.share.suspects.elsewhere()).toBe("alone");
  two.share.suspects.release();
  expect(two.share.suspects.elsewhere()).toBe("alone");
  one.share.suspects.release();
  expect([two.closed, two.share.suspects.hold()]).toEqual([false, true]);
});
