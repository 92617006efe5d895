import { expect, test } from "vitest";
import { type Backoff, jitteredDelayMs, JITTERS } from "../../../runtime/definition/index.js";

test.each(JITTERS)(
  "a delay that begins at 0 stays 0, however large its factor grows (jitter %s)",
  (jitter) => {
    const backoff: Backoff = { type: "exponential", initialMs: 0, factor: 10, maxMs: 60_000, jitter };
    for (const retry of [1, 2, 308, 309, 310, 1000])
      expect(jitteredDelayMs(backoff, retry, () => 0.5)).toBe(0);
  },
);
