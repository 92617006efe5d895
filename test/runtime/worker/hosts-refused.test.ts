// Threads that the system refuses to start (a limit of processes, no memory): Node throws in the constructor.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Threads from "node:worker_threads";
import { expect, onTestFinished, test, vi } from "vitest";
import { HostPool } from "../../../runtime/worker/hosts/host-pool.js";
import { RecordingLogger, rejection } from "../../support/project.js";
import { within } from "../../support/signal.js";

const system = vi.hoisted(() => ({ refuses: false }));
vi.mock("node:worker_threads", async (original) => {
  const real = await original<typeof Threads>();
  class Worker extends real.Worker {
    constructor(...args: ConstructorParameters<typeof real.Worker>) {
      if (system.refuses) throw Object.assign(new Error("EAGAIN"), { code: "ERR_WORKER_INIT_FAILED" });
      super(...args);
    }
  }
  return { ...real, Worker };
});

test(
  "a job whose thread cannot be started fails once, and does not run later",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-host-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const door = new URL("../../../runtime/generated-v1.ts", import.meta.url).href;
    const ran = join(folder, "ran");
    await writeFile(ran, "");
    await writeFile(
      join(folder, "registry.ts"),
      `import { isolatedIn } from ${JSON.stringify(door)}; import { appendFileSync } from "node:fs";
     const contract = { name: "some:work", hash: "h", queue: "default", errors: {}, schemas: {} };
     const handler = (job) => { appendFileSync(${JSON.stringify(ran)}, job.id); return job.id; };
     export const registry = isolatedIn(import.meta.url, { contracts: [contract], queues: [], handlers: { "some:work": async () => ({ name: "some:work", handler }) } });`,
    );
    const pool = new HostPool({
      rule: { in: "thread", most: 1 },
      module: pathToFileURL(join(folder, "registry.ts")).href,
      connection: { url: "redis://127.0.0.1:1" },
      prefix: "none",
      logger: new RecordingLogger(),
    });
    onTestFinished(() => pool.close());
    const run = (id: string) =>
      pool.run(
        { id, task: "some:work", queue: "default", payload: {}, attempt: 1, enqueuedAt: 0 } as never,
        {
          assertInTime: () => undefined,
          signal: new AbortController().signal,
          timeoutMs: 5000,
          idempotencyKey: id,
          claim: { id },
          contract: { name: "some:work", hash: "h" },
        } as never,
      );
    system.refuses = true;
    const error = await within(5000, "the failure", rejection(run("first")));
    expect(error.message).toMatch(/EAGAIN/);
    system.refuses = false;
    expect(await within(20_000, "the second", run("second"))).toBe("second");
    expect(await readFile(ran, "utf8")).toBe("second");
  },
);
