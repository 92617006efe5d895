// A handler may return what its validator cannot read. That fails the attempt, and not the worker.
import { expect, test } from "vitest";
import { z } from "taskweft/generated-v1";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();

test.each(["returned", "awaited"])(
  "a result with a getter that throws, %s, makes its job dead",
  async (how) => {
    const task = defineTask<{ n: number }, { total: number }>("sum:up", {
      result: z.object({ total: z.number() }),
      retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setupProject({ redis, tasks: [task] as never });
    const lazy = {
      get total(): number {
        throw new Error("the session is closed");
      },
    };
    await project.worker({ "sum:up": () => (how === "returned" ? lazy : Promise.resolve(lazy)) });
    const job = await project.enqueue(task, { n: 1 });
    expect((await rejection(job.result({ timeout: "5s" }))).message).toMatch(
      /the handler of sum:up returned a result that cannot be read: the session is closed/,
    );
    expect(await project.kinds(job.id)).toEqual(["failed"]);
  },
);
