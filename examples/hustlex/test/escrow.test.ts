// The escrow with real worker and producer processes. HUSTLEX_CONTRACTS=1000 HUSTLEX_KILLS=12 runs the long form,
// HUSTLEX_SEED another order of events.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testPlace } from "../../support/testing.js";
import { seededRandom } from "../../../test/support/signal.js";
import { startRedis } from "../../../test/support/redis.js";
import { releaseEscrows } from "../demo/escrow.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONTRACTS = Number(process.env["HUSTLEX_CONTRACTS"] ?? 200);
const KILLS = Number(process.env["HUSTLEX_KILLS"] ?? 3);
const SEED = Number(process.env["HUSTLEX_SEED"] ?? 1);

const redis = await startRedis();

test(
  "each contract is released once: five producers ask, workers are killed, the bank fails one call in five",
  async () => {
    const account = await releaseEscrows(await testPlace(ROOT, redis.url), {
      contracts: CONTRACTS,
      failShare: 0.2,
      kills: KILLS,
      producers: 5,
      random: seededRandom(SEED),
      workers: 3,
    });
    process.stdout.write(`hustlex: seed ${SEED}, ${JSON.stringify(account)}\n`);
    expect(account).toMatchObject({
      contracts: CONTRACTS,
      enqueues: 5 * CONTRACTS,
      created: CONTRACTS,
      split: 0,
      completed: CONTRACTS,
      kills: KILLS,
      transfers: CONTRACTS,
      workerExits: [0, 0, 0],
    });
    // Without these the run has shown nothing: attempts were lost, calls failed, and money would have moved twice.
    expect(account.crashes).toBeGreaterThan(0);
    expect(account.failed).toBeGreaterThan(CONTRACTS / 10);
    expect(account.repeated).toBeGreaterThan(0);
  },
  60_000 + CONTRACTS * 100,
);
