// The API while Redis is slow, gone or full: the answer never waits, and nothing is lost in silence.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { TaskweftError } from "taskweft";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import type { Trace } from "../src/api.js";
import { setup } from "./project.js";

/** Of half the answers, on a busy machine; waiting for a frozen Redis would cost 30 s. */
const PROMPT_MS = 500;
const TASKS = ["anomaly:detect", "cost:calculate", "eval:run", "otel:export"];

function trace(): Trace {
  const traceId = randomBytes(16).toString("hex");
  return { traceId, projectId: "p", model: "small", inputTokens: 5, outputTokens: 7, latencyMs: 900 };
}

async function health(url: string): Promise<unknown> {
  return await (await fetch(`${url}/health`)).json();
}

test("answers at once while Redis is frozen; the jobs are under way, and stored when it goes on", async () => {
  const redis = await startRedis();
  const { api, lost, operator, post } = await setup(redis.url);
  redis.pause();
  try {
    const took: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { status, tookMs } = await post(trace());
      expect(status).toBe(202);
      took.push(tookMs);
    }
    expect(took.toSorted((a, b) => a - b)[5]).toBeLessThan(PROMPT_MS);
    expect(await health(api.url)).toEqual({ underWay: 40, lost: 0 });
  } finally {
    redis.resume();
  }
  await until("all to be stored", () => api.background.underWay === 0);
  expect((await operator.ids("pending")).length).toBe(40);
  expect(lost).toEqual([]);
});

test("reports each job that could not be stored, with its payload and the reason", async () => {
  const redis = await startRedis();
  const { api, lost, post } = await setup(redis.url, { deadline: "300ms" });
  await redis.kill9();
  const traces = [trace(), trace(), trace()];
  for (const one of traces) expect(await post(one)).toMatchObject({ status: 202 });
  await until("all to be reported", () => api.background.underWay === 0);
  expect(lost.map(({ task }) => task).toSorted()).toEqual(TASKS.flatMap((task) => [task, task, task]));
  for (const { error, payload } of lost) {
    expect(error).toBeInstanceOf(TaskweftError);
    expect(["OutcomeUnknown", "RedisUnavailable"]).toContain((error as TaskweftError).code);
    expect(traces.map(({ traceId }) => traceId)).toContain((payload as Trace).traceId);
  }
  expect(await health(api.url)).toEqual({ underWay: 0, lost: 12 });
});

test("reports a payload that its task does not take; the other jobs of the trace are stored", async () => {
  const redis = await startRedis();
  const { api, lost, operator, post } = await setup(redis.url);
  expect(await post({ ...trace(), inputTokens: -1 })).toMatchObject({ status: 202 });
  await until("all to be settled", () => api.background.underWay === 0);
  expect(lost.map(({ task, error }) => [task, (error as TaskweftError).code])).toEqual([
    ["cost:calculate", "PayloadInvalid"],
  ]);
  expect((await operator.ids("pending")).length).toBe(3);
});

test("refuses traces while too many jobs are under way", async () => {
  const redis = await startRedis();
  const { post } = await setup(redis.url, { mostUnderWay: 8 });
  redis.pause();
  try {
    const answers = [await post(trace()), await post(trace()), await post(trace())];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 503]);
  } finally {
    redis.resume();
  }
});

test("a stop waits for what is under way", async () => {
  const redis = await startRedis();
  const { api, operator, post } = await setup(redis.url);
  redis.pause();
  await post(trace());
  const closed = api.close();
  redis.resume();
  await closed;
  expect((await operator.ids("pending")).length).toBe(4);
});
