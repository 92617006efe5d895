// The auditor beside workers that carry runs on: whatever becomes of them, it finds nothing and repairs nothing.
import { expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { startRedis } from "../../support/redis.js";
import {
  childOf,
  children,
  emitter,
  object,
  path,
  start,
  value,
  waitStep,
  workflow,
} from "../../support/workflow.js";
import { job, setupRuns } from "./run-bench.js";

const redis = await startRedis();
const chain = workflow(
  [
    { name: "a", needs: [], job: job(path("input", "n")) },
    { name: "b", needs: ["a"], job: job() },
  ],
  { name: "test:chain" },
);
const busy = workflow(
  [
    { name: "a", needs: [], job: job(path("input", "n")), compensate: job() },
    { name: "each", needs: ["a"], forEach: path("input", "list"), job: job(path("item")), maxParallel: 2 },
    { name: "sub", needs: ["a"], ...childOf(chain, object({ n: path("input", "n") })) },
    { name: "subs", needs: ["a"], forEach: value([1, 2, 3]), ...childOf(chain, object({ n: path("item") })) },
    waitStep("w", ["a"]),
    { name: "z", needs: ["each", "sub", "subs", "w"], job: job(path("input", "n")), onFailure: "compensate" },
  ],
  { ...children(chain), keepMs: 50, timeoutMs: 30_000 },
);

test(
  "finds nothing beside runs that start, fan out, fail, wait, are cancelled, retried and removed",
  { timeout: 120_000 },
  async () => {
    const { project, inspector, connection, keys } = setupRuns(redis);
    const reader = new RunReader(connection, keys);
    const sweeper = new RunSweeper(connection, keys, reader, Date.now);
    const emit = emitter(project);
    let calls = 0;
    const handlers = {
      "math:add": async ({ payload: { n } }: { payload: { n: number } }) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (n % 7 === 0 && (calls += 1) % 2 === 0) throw new PermanentError("every seventh, now and then");
        return n;
      },
    };
    let going = true;
    const audits = (async () => {
      const found: unknown[] = [];
      let looks = 0;
      for (; going || looks < 3; looks++) found.push(...(await inspector.audit({ repair: true })).findings);
      return { found, looks };
    })();
    for (let round = 0; round < 7; round++) {
      const worker = await project.worker(handlers as never, { concurrency: 10 });
      const ids = Array.from({ length: 20 }, (_unused, index) => `r${round}-${index}`);
      const inputs = ids.map((key, index) => ({ key, n: 20 * round + index, list: [1, 2, 3, 4, 5, 6, 7] }));
      await Promise.all(ids.map((id, index) => start(project, busy, inputs[index], id)));
      await Promise.all(ids.slice(0, 15).map((key) => emit({ key })));
      for (const id of ids.slice(12, 18)) await inspector.cancelRun(id).catch(() => undefined);
      const { runs } = await inspector.listRuns({ state: "failed", limit: 10 });
      for (const { id } of runs) await inspector.retryRun(id).catch(() => undefined);
      await sweeper.sweep();
      // In the middle of its work: it hands back what it has claimed.
      await worker.stop();
    }
    going = false;
    const { found, looks } = await audits;
    expect(found).toEqual([]);
    expect(looks).toBeGreaterThan(3);
  },
);
