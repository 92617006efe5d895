// The auditor beside a working system: whatever jobs do meanwhile, it finds nothing and repairs nothing.
import { expect, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();
const JOBS = 2000;
const BURST = 200;
const limited = defineTask<{ n: number }>("limited:work", {
  concurrency: { limit: 2 },
  concurrencyKey: ({ n }) => String(n % 5),
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 20, jitter: "none" } },
  retention: { completedMs: 0, deadMs: 60_000 },
});
const order = defineTask("order:work", {
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 20, jitter: "none" } },
  retention: { completedMs: 200, deadMs: 60_000 },
});

test(
  "finds nothing while jobs are enqueued, run, fail, are cancelled, retried and handed back",
  { timeout: 60_000 },
  async () => {
    const project = setupProject({ redis, tasks: [order, limited] as never });
    const connection = new Connection({ url: redis.url }, "test");
    const inspector = createInspector({ connection, keys: project.keys });
    const handlers = {
      "order:work": async ({ payload }: { readonly payload: { readonly n: number } }) => {
        if (payload.n % 7 === 0) throw new Error("every seventh");
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
    Object.assign(handlers, { "limited:work": handlers["order:work"] });
    let working = true;
    const audits = (async () => {
      const found: unknown[] = [];
      let looks = 0;
      for (; working || looks < 3; looks++) found.push(...(await inspector.audit({ repair: true })).findings);
      return { found, looks };
    })();
    for (let start = 0; start < JOBS; start += BURST) {
      const worker = await project.worker(handlers as never, { concurrency: 10 });
      const numbers = Array.from({ length: BURST }, (_unused, index) => ({ n: start + index }));
      const jobs = await project.many(order, numbers);
      await project.many(limited, numbers);
      await (start % 400 === 0 ? inspector.pauseTask("limited:work") : inspector.resumeTask("limited:work"));
      const late = await project.many(order, numbers.slice(0, 50), { delay: "10ms" });
      for (const { id } of [...jobs.slice(-30), ...late.slice(-10)])
        await inspector.cancel(id).catch(() => undefined);
      for (const id of (await inspector.collectIds({ state: "dead" }, 20)).ids)
        await inspector.retry(id).catch(() => undefined);
      // In the middle of its work: it hands back what it has claimed.
      await worker.stop();
    }
    await inspector.resumeTask("limited:work");
    working = false;
    const { found, looks } = await audits;
    connection.disconnect();
    expect(found).toEqual([]);
    expect(looks).toBeGreaterThan(3);
  },
);
