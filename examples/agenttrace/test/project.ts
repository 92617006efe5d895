// The API, and replicas of this project inside the test's own process, on a Redis of the test file.
import { onTestFinished, vi } from "vitest";
import { createConsoleLogger, createWorker, type Duration, type Worker } from "taskweft";
import type { Operator } from "../../support/operator.js";
import { testOperator } from "../../support/testing.js";
import { Receivers } from "../demo/receivers.js";
import { connect } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { openApi, type Api, type ApiOptions, type Trace } from "../src/api.js";
import type { LostEnqueue } from "../src/background.js";
import { PREFIX } from "../src/prefix.js";

export interface AgentTrace {
  readonly api: Api;
  readonly lost: readonly LostEnqueue[];
  readonly operator: Operator;
  readonly receivers: Receivers;
  readonly post: (trace: Trace) => Promise<{ readonly status: number; readonly tookMs: number }>;
  readonly startReplica: () => Promise<Worker>;
}

export interface SetupOptions extends Partial<ApiOptions> {
  /** Of the API's client. Default 30 s. */
  readonly deadline?: Duration;
}

export async function setup(
  redisUrl: string,
  { deadline = "30s", ...options }: SetupOptions = {},
): Promise<AgentTrace> {
  const receivers = await new Receivers().open();
  onTestFinished(() => receivers.close());
  for (const name of ["COLLECTOR", "NOTIFY"]) vi.stubEnv(`AGENTTRACE_${name}_URL`, receivers.url);
  const client = await connect({ url: redisUrl, prefix: PREFIX, deadline });
  onTestFinished(() => client.close());
  const lost: LostEnqueue[] = [];
  const api = await openApi({ report: (one) => void lost.push(one), ...options });
  onTestFinished(() => api.close());
  return {
    api,
    lost,
    operator: testOperator(redisUrl, PREFIX),
    receivers,
    post: async (trace) => {
      const startedAt = performance.now();
      const response = await fetch(`${api.url}/traces`, { method: "POST", body: JSON.stringify(trace) });
      await response.arrayBuffer();
      return { status: response.status, tookMs: performance.now() - startedAt };
    },
    startReplica: async () => {
      const logger = createConsoleLogger("silent");
      const worker = createWorker(registry, { url: redisUrl, prefix: PREFIX, logger, concurrency: 10 });
      onTestFinished(() => worker.stop());
      return await worker.start();
    },
  };
}
