// Three replicas, one of which is stopped in the middle. AGENTTRACE_TRACES=2000 runs a longer form.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startRedis } from "../../../test/support/redis.js";
import { testPlace } from "../../support/testing.js";
import { runReplicas } from "../demo/replicas.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TRACES = Number(process.env["AGENTTRACE_TRACES"] ?? 120);
/** Of a replica. */
const SLOTS = 10;

const redis = await startRedis();

test(
  "a replica that is stopped gives its jobs back: none is lost, and none is charged an attempt",
  async () => {
    const account = await runReplicas(await testPlace(ROOT, redis.url), { traces: TRACES, replicas: 3 });
    process.stdout.write(`agenttrace: ${JSON.stringify(account)}\n`);
    const unpriced = Math.floor(TRACES / 20);
    const gone = Math.floor(TRACES / 30);
    expect(account).toMatchObject({
      lost: 0,
      completed: account.expected - unpriced - gone,
      dead: { "cost:calculate: ModelUnknown": unpriced, "webhook:deliver: Gone": gone },
      overcharged: 0,
      exits: [0, 0, 0],
    });
    // Without these the stop has shown nothing.
    expect(account.handedBack).toBeGreaterThan(0);
    // Each webhook that is there fails once, but for those, at most one a slot, that failed while the stop aborted them.
    const flaky = Math.floor(TRACES / 3) - gone;
    expect(account.retried).toBeLessThanOrEqual(flaky);
    expect(account.retried).toBeGreaterThanOrEqual(flaky - SLOTS);
  },
  60_000 + TRACES * 50,
);
