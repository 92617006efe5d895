// Retrying workflow runs: a step that was undone and runs again is another thing than before; one that had failed is the same.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError, type Job, type TaskContext } from "taskweft/generated-v1";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { HostedContext } from "../../../runtime/worker/hosts/hosted-context.js";
import { defineTask, type Project, setupProject, type TestHandlers } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const charge = defineTask("pay:charge");
const refund = defineTask("pay:refund");
const mail = defineTask("pay:mail");
const onExhausted = { task: "ops:alert", fields: ["jobId"] } as const;
const check = defineTask("pay:check", { onExhausted });
const alert = defineTask("ops:alert", { queue: "alerts" });
const QUEUES = [
  { name: "alerts", weight: 1 },
  { name: "default", weight: 1 },
];

function setup(): { project: Project; inspector: Inspector } {
  const tasks = [charge, refund, mail, check, alert] as never;
  const project = setupProject({ redis, tasks, queues: QUEUES });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** A worker that leaves the alerts where they are. */
const work = (project: Project, handlers: TestHandlers) => project.worker(handlers, { queues: ["default"] });

interface Item extends Job<never> {
  readonly payload: never;
}

test("what was undone and runs again has another key, and children of its own; its undoing too, and what had failed has not", async () => {
  const { project, inspector } = setup();
  const keys: string[] = [];
  const note = (_job: Item, ctx: TaskContext): void => void keys.push(ctx.idempotencyKey);
  let lives = 0;
  await work(project, {
    "pay:charge": async (job, ctx) => {
      note(job, ctx);
      await ctx.spawn(
        "mail",
        (payload: never, options?: object) => project.enqueue(mail as never, payload, options),
        {
          n: 1,
        } as never,
      );
    },
    "pay:refund": note,
    "pay:mail": note,
    "pay:check": (job, ctx) => {
      note(job, ctx);
      lives += 1;
      if (lives < 3) throw new PermanentError("no");
    },
  });
  const steps = [
    { name: "charge", needs: [], job: jobOf(charge as never), compensate: jobOf(refund as never) },
    {
      name: "each",
      needs: [],
      forEach: value([1, 2]),
      job: jobOf(charge as never),
      compensate: jobOf(refund as never),
    },
    {
      name: "check",
      needs: ["charge", "each"],
      job: jobOf(check as never),
      onFailure: "compensate" as const,
    },
  ];
  const run = await start(project, workflow(steps), {}, "r");
  for (const suffix of ["", ":2"]) {
    expect(await endOf(run)).toBe("RunFailed");
    const parents = ["r.charge", "r.each.0", "r.each.1"].map((id) => `${id}${suffix}`);
    const expected = [...parents, ...parents, "r.check", `r.charge.undo${suffix}`, `r.each.undo${suffix}`];
    await until("all to have run", () => keys.length === expected.length);
    const named = keys.splice(0).map((key) => key.replace(/\.\.[0-9a-f]{16}$/, ""));
    expect(named.toSorted()).toEqual(expected.toSorted());
    await inspector.retryRun("r");
  }
  expect(await endOf(run)).toBe("completed");
  expect(keys.filter((key) => key.endsWith(":3")).toSorted()).toEqual([
    "r.charge:3",
    "r.each.0:3",
    "r.each.1:3",
  ]);
});

test("each death of a step has a follow-up, and of an item, and of one that comes after what runs again", async () => {
  const { project, inspector } = setup();
  await work(project, {
    "pay:charge": () => undefined,
    "pay:refund": () => undefined,
    "pay:check": () => {
      throw new PermanentError("no");
    },
  });
  const onFailure = "compensate" as const;
  const first = {
    name: "charge",
    needs: [],
    job: jobOf(charge as never),
    compensate: jobOf(refund as never),
  };
  const dying = [
    { name: "alone", needs: [], job: jobOf(check as never), onFailure },
    { name: "after", needs: ["charge"], job: jobOf(check as never), onFailure },
    {
      name: "each",
      needs: ["charge"],
      forEach: value([1]),
      job: jobOf(check as never, path("item")),
      onFailure,
    },
  ];
  for (const [n, step] of dying.entries()) {
    const run = await start(project, workflow([first, step], { hash: `1111111${n}` }), {}, step.name);
    expect(await endOf(run)).toBe("RunFailed");
    for (let life = 2; life <= 3; life++) {
      await inspector.retryRun(run.id);
      expect(await endOf(run)).toBe("RunFailed");
    }
  }
  const lives = ["alone.alone", "after.after", "each.each.0"].flatMap((id) =>
    ["", ".2", ".3"].map((life) => `${id}..exhausted${life}`),
  );
  expect(await project.raw.lrange(project.keys.queue("alerts").pending, 0, -1)).toEqual(lives);
});

test("a hosted handler has the key that its worker says", () => {
  const job = { id: "r.a", task: "pay:charge", queue: "default", payload: {}, attempt: 1, enqueuedAt: 0 };
  const context = new HostedContext(job, "r.a:2", () => undefined);
  context.close();
  expect(context.idempotencyKey).toBe("r.a:2");
});
