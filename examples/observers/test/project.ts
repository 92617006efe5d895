// A worker of this project inside the test's own process, on a Redis of the test file, and the world that its actions call.
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { createConsoleLogger, createWorker, loadConfig, type Worker } from "taskweft";
import type { Operator } from "../../support/operator.js";
import { testOperator } from "../../support/testing.js";
import { OutsideWorld } from "../demo/outside-world.js";
import { connect } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { PREFIX } from "../src/prefix.js";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

export interface Observers {
  readonly operator: Operator;
  readonly outside: OutsideWorld;
  /** With what weft.config.yaml and `env` say. */
  readonly startWorker: (env?: NodeJS.ProcessEnv) => Promise<Worker>;
}

export async function setup(redisUrl: string): Promise<Observers> {
  const outside = await new OutsideWorld(0).open();
  onTestFinished(() => outside.close());
  vi.stubEnv("OBSERVERS_OUTSIDE_URL", outside.url);
  const client = await connect({ url: redisUrl, prefix: PREFIX });
  onTestFinished(() => client.close());
  return {
    operator: testOperator(redisUrl, PREFIX),
    outside,
    startWorker: async (env = {}) => {
      const config = await loadConfig({ folder: ROOT, env });
      const worker = createWorker(registry, {
        url: redisUrl,
        prefix: config.said("redis.prefix") ?? "",
        concurrency: config.said("worker.concurrency") ?? 0,
        logger: createConsoleLogger("silent"),
      });
      onTestFinished(async () => {
        outside.release();
        await worker.stop();
      });
      return await worker.start();
    },
  };
}
