// Workers of this project inside the test's own process, on a Redis of the test file, with the handlers as they are.
import { onTestFinished, vi } from "vitest";
import { createConsoleLogger, createWorker, type Worker } from "taskweft";
import { testOperator } from "../../support/testing.js";
import type { Operator } from "../../support/operator.js";
import { OutsideWorld } from "../demo/outside-world.js";
import { connect } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { PREFIX } from "../src/prefix.js";

export interface Hustlex {
  readonly operator: Operator;
  readonly world: OutsideWorld;
  readonly startWorkers: (count: number) => Promise<readonly Worker[]>;
}

export async function setup(redisUrl: string): Promise<Hustlex> {
  const world = await new OutsideWorld().open();
  onTestFinished(() => world.close());
  vi.stubEnv("HUSTLEX_OUTSIDE_URL", world.url);
  const client = await connect({ url: redisUrl, prefix: PREFIX });
  onTestFinished(() => client.close());
  return {
    operator: testOperator(redisUrl, PREFIX),
    world,
    startWorkers: (count) =>
      Promise.all(
        Array.from({ length: count }, () => {
          const options = { url: redisUrl, prefix: PREFIX, logger: createConsoleLogger("silent") };
          const worker = createWorker(registry, { ...options, lease: "1s" });
          onTestFinished(() => worker.stop());
          return worker.start();
        }),
      ),
  };
}
