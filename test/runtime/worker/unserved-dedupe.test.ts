// What a worker without the task notes in a job changes nothing of what a newer enqueue with its dedupe key may do to it.
import { expect, test } from "vitest";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const write = defineTask("doc:write", { dedupe: { mode: "replace" }, dedupeKey: () => "d" } as never);
const other = defineTask("other:work");
const deploys = (): { readonly newer: Project; readonly older: Project } => {
  const newer = setupProject({ redis, tasks: [write, other] as never });
  return { newer, older: setupProject({ redis, tasks: [other] as never }) };
};
const serveOther = (older: Project, { prefix }: Project) =>
  older.worker({ "other:work": () => undefined }, { prefix });
/** It rests again, and is not cancelled: the older worker may hold it once more for a moment. */
const rests = (project: Project, id: string) =>
  until("it to rest", async () => (await project.state(id)) === "due");
const isMet = (project: Project, id: string) => async () => (await project.kinds(id)).length > 1;

/** A job that sleeps; its worker is gone. */
async function sleeper(project: Project): Promise<string> {
  let began = 0;
  const worker = await project.worker({
    "doc:write": async (_job, ctx) => {
      began += 1;
      await ctx.sleep("s", "1500ms");
    },
  });
  const { id } = await project.enqueue(write, { n: 1 });
  await until("it to sleep", async () => began === 1 && (await project.state(id)) === "due");
  await worker.stop();
  return id;
}

test("a job that sleeps is not cancelled by a newer one", async () => {
  const { newer, older } = deploys();
  const id = await sleeper(newer);
  await serveOther(older, newer);
  await until("the older worker to meet it", isMet(newer, id));
  expect((await newer.enqueue(write, { n: 2 })).id).not.toBe(id);
  await expect(rests(newer, id)).resolves.toBeUndefined();
});

test("nor by one that was stored while it slept", async () => {
  const { newer, older } = deploys();
  const id = await sleeper(newer);
  await newer.enqueue(write, { n: 2 }, { delay: "1h" });
  await serveOther(older, newer);
  await until("the older worker to meet it", isMet(newer, id));
  await expect(rests(newer, id)).resolves.toBeUndefined();
});

test("a job that no handler has seen gets the newer payload, and who awaits it the result", async () => {
  const { newer, older } = deploys();
  const old = await serveOther(older, newer);
  const first = await newer.enqueue(write, { n: 1 });
  await until("the older worker to meet it", async () => (await newer.kinds(first.id)).includes("failed"));
  await old.stop();
  const second = await newer.enqueue(write, { n: 2 });
  await newer.worker({ "doc:write": ({ payload }) => (payload as { n: number }).n });
  expect([second.id, await first.result({ timeout: "20s" })]).toEqual([first.id, 2]);
});
