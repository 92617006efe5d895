// Attempts that are told to stop: timeout and cancel, with handlers that listen and handlers that do not.
import { describe, expect, test } from "vitest";
import type { TaskContext } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { type CancelReply, cancel } from "../../../runtime/scripts/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const brief = defineTask("brief:work", { timeoutMs: 100 });
const long = defineTask("long:work");
const retrying = defineTask("retrying:work", {
  retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 60_000, jitter: "none" } },
});
const setup = (): Project => setupProject({ redis, tasks: [brief, long, retrying] as never });

async function cancelJob(project: Project, id: string): Promise<CancelReply> {
  const connection = new Connection({ url: redis.url }, "test");
  try {
    return await cancel(connection, { keys: project.keys, id, queue: "default", keepMs: 60_000 });
  } finally {
    connection.disconnect();
  }
}

/** Rejects when the signal aborts, as well-behaved handlers do. */
function untilAborted(ctx: TaskContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
  });
}

const never = (): Promise<never> => new Promise(() => undefined);

describe("a timeout", () => {
  test("aborts the signal with its reason, then fails the attempt", async () => {
    const project = setup();
    const reason = signal<unknown>();
    await project.worker({
      "brief:work": async (_job, ctx) => {
        ctx.signal.addEventListener("abort", () => reason.send(ctx.signal.reason));
        await untilAborted(ctx);
      },
    });
    const job = await project.enqueue(brief, { n: 1 });
    await expect(job.result()).rejects.toThrow(
      /failed with TimeoutExceeded: brief:work ran longer than its timeout of 100 ms/,
    );
    expect(((await reason.promise) as Error).name).toBe("TimeoutExceeded");
  });

  test("given at the enqueue wins over the definition's", async () => {
    const project = setup();
    await project.worker({ "long:work": (_job, ctx) => untilAborted(ctx) });
    const job = await project.enqueue(long, { n: 1 }, { timeout: "50ms" });
    await expect(within(3000, "the attempt to fail", job.result())).rejects.toThrow(/timeout of 50 ms/);
  });

  test("frees the slot of a handler that ignores the signal, and its late result is dropped", async () => {
    const project = setup();
    const release = signal<string>();
    await project.worker(
      { "brief:work": () => release.promise, "long:work": () => "next" },
      { concurrency: 1 },
    );
    const job = await project.enqueue(brief, { n: 1 });
    const next = await project.enqueue(long, { n: 2 });
    expect(await within(4000, "the next job to get the slot", next.result())).toBe("next");
    await rejection(job.result());
    const before = await project.raw.hget(project.keys.runs, job.id);
    release.send("too late");
    await (await project.enqueue(long, { n: 3 })).result();
    expect(await project.raw.hget(project.keys.runs, job.id)).toBe(before);
  });

  test("does not count a handler that returns after it: the attempt has failed", async () => {
    const project = setup();
    await project.worker({
      "brief:work": async (_job, ctx) => {
        await untilAborted(ctx).catch(() => undefined);
        return "late";
      },
    });
    await expect((await project.enqueue(brief, { n: 1 })).result()).rejects.toThrow(/TimeoutExceeded/);
  });
});

describe("a cancel", () => {
  test("of a pending job keeps it from running", async () => {
    const project = setup();
    const job = await project.enqueue(long, { n: 1 });
    const other = await project.enqueue(long, { n: 2 });
    expect(await cancelJob(project, job.id)).toBe("CANCELLED");
    const ran: string[] = [];
    await project.worker({ "long:work": (j) => void ran.push(j.id) });
    await other.result();
    expect(ran).toEqual([other.id]);
    await expect(job.result()).rejects.toThrow(/^JobCancelled: long:work job .* was cancelled/);
    await until(
      "the hole to be given up",
      async () => (await project.raw.hexists(project.keys.active, job.id)) === 0,
    );
    expect(await cancelJob(project, job.id)).toEqual({ final: "cancelled" });
  });

  test("of a scheduled job keeps it from running", async () => {
    const project = setup();
    const job = await project.enqueue(long, { n: 1 }, { delay: "1h" });
    expect(await cancelJob(project, job.id)).toBe("CANCELLED");
    expect(await project.state(job.id)).toBe("cancelled");
    expect(await project.raw.zcard(project.keys.queue("default").due)).toBe(0);
  });

  test("of a job that waits for its retry ends it, and the history stays", async () => {
    const project = setup();
    await project.worker({ "retrying:work": () => Promise.reject(new Error("no")) });
    const job = await project.enqueue(retrying, { n: 1 });
    await until("the job to wait for its retry", async () => (await project.state(job.id)) === "due");
    expect(await cancelJob(project, job.id)).toBe("CANCELLED");
    expect(await project.kinds(job.id)).toEqual(["failed", "cancelled"]);
  });

  test("of an active job aborts its signal within about a second", async () => {
    const project = setup();
    const started = signal();
    let reason: unknown;
    await project.worker(
      {
        "long:work": async (_job, ctx) => {
          ctx.signal.addEventListener("abort", () => (reason = ctx.signal.reason));
          started.send();
          await untilAborted(ctx);
        },
      },
      { lease: "15s" },
    );
    const job = await project.enqueue(long, { n: 1 });
    await started.promise;
    expect(await cancelJob(project, job.id)).toBe("REQUESTED");
    await expect(within(2500, "the cancel to reach the handler", job.result())).rejects.toThrow(
      /JobCancelled/,
    );
    expect((reason as Error).name).toBe("Cancelled");
    expect(await project.kinds(job.id)).toEqual(["cancelled"]);
    expect(await project.raw.exists(project.keys.cancels)).toBe(0);
  });

  test.each(["1s", "15s"] as const)(
    "of an active job whose handler ignores the signal frees its slot (lease %s)",
    async (lease) => {
      const project = setup();
      const started = signal();
      await project.worker(
        {
          "long:work": () => {
            started.send();
            return never();
          },
          "brief:work": () => "next",
        },
        { lease, concurrency: 1 },
      );
      const job = await project.enqueue(long, { n: 1 });
      await started.promise;
      const next = await project.enqueue(brief, { n: 2 });
      await cancelJob(project, job.id);
      expect(await within(4500, "the next job to get the slot", next.result())).toBe("next");
      await expect(job.result()).rejects.toThrow(/JobCancelled/);
    },
  );

  test("that comes too late leaves the finished work as it is", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    await project.worker({
      "long:work": async () => {
        started.send();
        await go.promise;
        return "done";
      },
    });
    const job = await project.enqueue(long, { n: 1 });
    await started.promise;
    expect(await cancelJob(project, job.id)).toBe("REQUESTED");
    go.send();
    expect(await job.result()).toBe("done");
    await until(
      "the request to be forgotten",
      async () => (await project.raw.exists(project.keys.cancels)) === 0,
    );
  });

  test("of a job whose attempt fails meanwhile means no retry, and the job stays readable", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    await project.worker({
      "retrying:work": async () => {
        started.send();
        await go.promise;
        throw new Error("no");
      },
    });
    const job = await project.enqueue(retrying, { n: 1 });
    await started.promise;
    await cancelJob(project, job.id);
    go.send();
    await expect(job.result()).rejects.toThrow(/JobCancelled/);
    expect(await project.state(job.id)).toBe("cancelled");
  });
});
