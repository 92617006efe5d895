import { describe, expect, test } from "vitest";
import { ClaimDemand, type WorkInHand } from "../../../runtime/worker/claims/claim-demand.js";

const NOTHING: WorkInHand = {
  running: 0,
  waiting: 0,
  asked: 0,
  gathering: 0,
  blocking: false,
  plenty: false,
};

function demand(concurrency: number): ClaimDemand {
  return new ClaimDemand({ concurrency, claimAheadMs: 0, maxBatch: 256 });
}

describe("with nothing claimed ahead", () => {
  test("an idle worker asks for all of its slots at once: of a second call nothing would come", () => {
    expect(demand(100).wanted(NOTHING)).toBe(100);
  });

  test("while jobs are plenty it asks in halves, so that one is on its way while the other runs", () => {
    const first = demand(100).wanted({ ...NOTHING, plenty: true });
    const second = demand(100).wanted({ ...NOTHING, plenty: true, asked: first });
    const third = demand(100).wanted({ ...NOTHING, plenty: true, asked: first + second });
    expect([first, second, third]).toEqual([50, 50, 0]);
  });

  test("half of few slots is not worth a call", () => {
    expect(demand(98).wanted({ ...NOTHING, plenty: true })).toBe(98);
  });

  test("never more than there are free slots", () => {
    expect(demand(100).wanted({ ...NOTHING, plenty: true, running: 80 })).toBe(20);
  });

  test("a call waits until half of the slots are free, while others are on their way", () => {
    const busy = { ...NOTHING, plenty: true, asked: 50 };
    expect(demand(100).wanted({ ...busy, running: 1 })).toBe(0);
    expect(demand(100).wanted({ ...busy, running: 0 })).toBe(50);
  });
});
