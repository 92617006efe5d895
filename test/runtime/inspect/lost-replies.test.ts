// Operators' calls whose replies are lost: they are sent again, and what the first sending did is no conflict.
import { expect, onTestFinished, test } from "vitest";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { parseRun } from "../../../runtime/protocol/index.js";
import { cancelScript, removeScript, retryRunScript, retryScript } from "../../../runtime/scripts/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { endOf, jobOf, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const task = defineTask("mail:send", { retry: { maxRetries: 0 } as never });

async function setup() {
  const project = setupProject({ redis, tasks: [task] as never });
  const proxy = await startProxy(redis.port);
  const inspector = openInspector({ url: proxy.url, prefix: project.prefix });
  onTestFinished(async () => {
    inspector.close();
    await proxy.stop();
  });
  await inspector.listQueues();
  const scripts = [cancelScript, removeScript, retryRunScript, retryScript];
  for (const { text } of scripts) await project.raw.script("LOAD", text);
  const sentTwice = async (script: { readonly sha: string }, call: (by: Inspector) => Promise<unknown>) => {
    proxy.loseReplies(script.sha, 1);
    await call(inspector);
    expect(proxy.lost).toBe(1);
  };
  const { keys, raw } = project;
  return { keys, project, raw, sentTwice };
}

const eventsOf = (text: string | null) => parseRun(text).events.map((event) => event[1]);

test("a retry of a job that waits for its time", async () => {
  const { project, raw, keys, sentTwice } = await setup();
  const { id } = await project.enqueue(task, { n: 1 }, { delay: "1h" } as never);
  await sentTwice(retryScript, (by) => by.retry(id, "scheduled"));
  expect(await raw.lrange(keys.queue("default").pending, 0, -1)).toEqual([id]);
  expect(eventsOf(await raw.hget(keys.runs, id))).toEqual(["retried"]);
});

test("a cancel of a job that waits", async () => {
  const { project, raw, keys, sentTwice } = await setup();
  const { id } = await project.enqueue(task, { n: 1 });
  await sentTwice(cancelScript, async (by) => expect(await by.cancel(id)).toBe("cancelled"));
  expect(eventsOf(await raw.hget(keys.runs, id))).toEqual(["cancelled"]);
});

test("a delete of a job", async () => {
  const { project, raw, keys, sentTwice } = await setup();
  const { id } = await project.enqueue(task, { n: 1 });
  await sentTwice(removeScript, (by) => by.remove(id));
  expect(await raw.hget(keys.jobs, id)).toBe("[0]");
});

test.each(["retry", "skip"] as const)("a %s of a run that no worker has met yet", async (kind) => {
  const { project, raw, keys, sentTwice } = await setup();
  const worker = await project.worker({
    "mail:send": () => {
      throw new Error("no");
    },
  } as never);
  const run = await start(project, workflow([{ name: "a", needs: [], job: jobOf(task as never, value(1)) }]));
  expect(await endOf(run)).toBe("RunFailed");
  await worker.stop();
  await sentTwice(retryRunScript, (by) =>
    kind === "retry" ? by.retryRun(run.id) : by.skipStep(run.id, "a", 7),
  );
  expect(await raw.hget(keys.workflows, `${run.id} :open`)).toBe("1");
  expect(await raw.llen(keys.queue("default").pending)).toBe(1);
});
