// A worker of this project inside the test's own process, on a Redis of the test file.
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { createConsoleLogger, createWorker, type Worker, type WorkerOptions } from "taskweft";
import type { Operator } from "../../support/operator.js";
import { testOperator } from "../../support/testing.js";
import { connect } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { type Handled, readJournal } from "../src/journal.js";
import { PREFIX } from "../src/prefix.js";

export interface TaskFlow {
  readonly operator: Operator;
  readonly handled: () => readonly Handled[];
  readonly startWorker: (options?: WorkerOptions) => Promise<Worker>;
}

export async function setup(redisUrl: string): Promise<TaskFlow> {
  const folder = mkdtempSync(join(tmpdir(), "weft-taskflow-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const journal = join(folder, "journal.jsonl");
  writeFileSync(journal, "");
  vi.stubEnv("TASKFLOW_JOURNAL", journal);
  const client = await connect({ url: redisUrl, prefix: PREFIX });
  onTestFinished(() => client.close());
  return {
    operator: testOperator(redisUrl, PREFIX),
    handled: () => readJournal(journal),
    startWorker: async (options = {}) => {
      const logger = createConsoleLogger("silent");
      const worker = createWorker(registry, { url: redisUrl, prefix: PREFIX, logger, ...options });
      onTestFinished(() => worker.stop());
      return await worker.start();
    },
  };
}
