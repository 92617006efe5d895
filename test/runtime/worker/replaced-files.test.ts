// A worker whose project's files were replaced: the threads and processes that it starts from then on are of another deploy.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createWorker } from "../../../runtime/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const DOOR = new URL("../../../runtime/generated-v1.ts", import.meta.url).href;

/** The module that makes the registry, as generated code has it. @param contracts those of its tasks, as text. */
const registryText = (contracts: string): string => `
  import { isolatedIn } from ${JSON.stringify(DOOR)};
  const contracts = ${contracts};
  const handler = ({ payload }, { signal }) =>
    payload.holds && new Promise((resolve) => signal.addEventListener("abort", resolve));
  const handlers = Object.fromEntries(contracts.map(({ name }) => [name, async () => ({ name, handler })]));
  export const registry = isolatedIn(import.meta.url, { contracts, queues: [], handlers });`;

test.each(["thread", "process"] as const)(
  "jobs of a task that a new %s does not have, or not as its worker has it, are not run there, and lose no attempt",
  { timeout: 60_000 },
  async (kind) => {
    const folder = await mkdtemp(join(tmpdir(), "weft-replaced-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "registry.ts");
    const retry = { maxRetries: 0, backoff: { type: "fixed", delayMs: 0, jitter: "none" } } as const;
    const [changed, removed] = ["changed:work", "removed:work"].map((name) =>
      defineTask(name, { isolate: { in: kind, most: 3 }, retry }),
    ) as [ReturnType<typeof defineTask>, ReturnType<typeof defineTask>];
    const textOf = (contracts: readonly { readonly name: string; readonly hash: string }[]): string =>
      JSON.stringify(
        contracts.map(({ name, hash }) => ({ name, hash, queue: "default", errors: {}, schemas: {} })),
      );
    await writeFile(file, registryText(textOf([changed, removed])));
    const project = setupProject({ redis, tasks: [changed, removed] as never });
    const handlers = { [changed.name]: () => undefined, [removed.name]: () => undefined };
    const registry = {
      contracts: [changed, removed],
      queues: [{ name: "default", weight: 1 }],
      handlers,
      isolated: { module: pathToFileURL(file).href, handlers },
    };
    const { logger, prefix } = project;
    const worker = createWorker(registry as never, { url: redis.url, prefix, logger, grace: "0ms" });
    onTestFinished(() => worker.stop());
    await worker.start();
    // Keeps what has loaded the files as they were from running the others.
    const holding = await project.enqueue(changed, { holds: true });
    await until("it to run", async () => (await project.state(holding.id)) === "active");
    await writeFile(file, registryText(textOf([{ ...changed, hash: "another" }])));
    const jobs = [await project.enqueue(changed, {}), await project.enqueue(removed, {})];
    for (const { id } of jobs) await until("it to wait", async () => (await project.state(id)) === "due");
    const runs = await Promise.all(jobs.map(({ id }) => project.run(id)));
    expect(runs.map(({ state, attempts, events }) => [state, attempts, events[0]?.[3]])).toEqual([
      ["retry", 0, "TaskUnknown"],
      ["retry", 0, "TaskUnknown"],
    ]);
    expect(runs[0]?.events[0]?.[4]).toMatch(
      /^the files of this worker were replaced, .*; restart the worker$/,
    );
    expect(logger.messages("error")).toContainEqual(
      expect.stringMatching(/^the project's files were replaced, .*: restart it/),
    );
  },
);
