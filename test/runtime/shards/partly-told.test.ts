// An event that not all shards could be told of: its error says who has heard of it all the same.
import { expect, test } from "vitest";
import type { EmitIncomplete } from "taskweft/generated-v1";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { emitter, path, start, waitStep, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const work = defineTask("some:work");
const wait = {
  event: "test:event",
  field: ["key"],
  equals: path("input", "key"),
  match: ["==", path("event", "key"), path("input", "key")] as never,
};

test("an emit names the runs that have heard of it, also where a shard refuses to tell", async () => {
  const project = setupProject({ redis, tasks: [work] as never, shards: 3 });
  const definition = workflow([waitStep("wait", [], wait)]);
  const ids = Array.from({ length: 12 }, (_unused, n) => `run-${n}`);
  await Promise.all(ids.map((id) => start(project, definition, { key: "a" }, id)));
  const [broken] = project.shards;
  const listeners = await broken!.raw.zrange(broken!.keys.listeners, 0, "-1");
  expect(listeners.length).toBeGreaterThan(0);
  await broken!.raw.set(broken!.keys.listeners, "no sorted set");
  const emit = emitter(project);
  const error = (await rejection(emit({ key: "a" }))) as EmitIncomplete;
  expect(error).toMatchObject({ name: "EmitIncomplete", code: "RedisRefused" });
  const others = ids.filter((id) => project.router.ofId(id) !== 0);
  expect(error.result.runs.toSorted()).toEqual(others.toSorted());
  await broken!.raw.del(broken!.keys.listeners);
  await broken!.raw.zadd(broken!.keys.listeners, ...listeners.flatMap((member) => ["0", member]));
  expect((await emit({ key: "a" }, error.eventId)).runs.toSorted()).toEqual(ids.toSorted());
});
