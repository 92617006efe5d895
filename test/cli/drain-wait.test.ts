// `drain --wait` of several queues: what ends in one may begin something in another.
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { signal, until } from "../support/signal.js";
import { inProcess } from "./weft.js";

const redis = await startRedis();
const clean = defineTask("clean:up", { queue: "b", timeoutMs: 60_000 });
const dying = defineTask("dying:work", {
  queue: "a",
  timeoutMs: 60_000,
  onExhausted: { task: "clean:up", fields: [] } as never,
});
const queues = [
  { name: "a", weight: 1 },
  { name: "b", weight: 1 },
];

test("drain --wait of two queues waits for what the last job of one leaves in the other", async () => {
  const project = setupProject({ redis, tasks: [clean, dying] as never, queues });
  const [started, fail, follows, end] = [signal(), signal(), signal(), signal()];
  let cleaned = false;
  await project.worker({
    "dying:work": async () => {
      started.send();
      await fail.promise;
      throw new Error("no");
    },
    "clean:up": async () => {
      follows.send();
      await end.promise;
      cleaned = true;
    },
  });
  await project.enqueue(dying, { n: 1 });
  await started.promise;
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  let isOver = false;
  const drain = inProcess(["queues", "drain", "a", "b", "--wait", "--timeout", "20s"], {
    cwd: "/tmp",
    env,
  }).then((result) => {
    isOver = true;
    return { ...result, cleaned };
  });
  await until(
    "the drain",
    async () => (await project.raw.get(project.keys.draining))?.includes("queue b") === true,
  );
  // It has looked: nothing in b, one in a.
  await new Promise((resolve) => setTimeout(resolve, 700));
  fail.send();
  await follows.promise;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const tooEarly = isOver;
  end.send();
  const result = await drain;
  expect([tooEarly, result.cleaned, result.stdout]).toEqual([false, true, "a  drained\nb  drained\n"]);
});
