// Purges beside each other: what one removes must not make another pass over jobs.
import { expect, onTestFinished, test } from "vitest";
import { openInspector } from "../../../runtime/inspect/index.js";
import { encodeRun, NEW_RUN, recordHead } from "../../../runtime/protocol/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();
const one = defineTask("one:work");
const two = defineTask("two:work");

test("two purges of two tasks beside each other leave none of their jobs", async () => {
  const project = setupProject({ redis, tasks: [one, two] as never });
  const { keys, raw } = project;
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await project.enqueue(one, { n: 1 });
  await inspector.purgeQueue("default");
  const now = Date.now() + 3_600_000;
  for (let part = 0; part < 10; part++) {
    const some = Array.from({ length: 500 }, (_u, i) => part * 500 + i);
    await raw.hset(
      keys.jobs,
      ...some.flatMap((n) => [
        `j${n}`,
        `${recordHead(n % 2 === 0 ? "one:work" : "two:work", "default", "h1", {})}{}]`,
      ]),
    );
    await raw.hset(
      keys.runs,
      ...some.flatMap((n) => [`j${n}`, encodeRun({ ...NEW_RUN, attempts: 1, state: "dead" })]),
    );
    await raw.zadd(keys.dead, ...some.flatMap((n) => [now + n, `j${n}`]));
  }
  const reports = await Promise.all(
    ["one:work", "two:work"].map((task) => inspector.purgeQueue("default", { state: "dead", task })),
  );
  const left = await raw.zcard(keys.dead);
  expect([left, reports.map(({ removed }) => removed)]).toEqual([0, [2500, 2500]]);
});

test("a pending list that two purges turn at once is turned by one after the other", async () => {
  const project = setupProject({ redis, tasks: [one, two] as never });
  const { keys, raw } = project;
  const inspectors = [1, 2].map(() => openInspector({ url: redis.url, prefix: project.prefix }));
  onTestFinished(() => {
    for (const inspector of inspectors) inspector.close();
  });
  await project.enqueue(one, { n: 1 });
  await inspectors[0]!.purgeQueue("default");
  const ids = Array.from({ length: 6000 }, (_u, n) => `j${n}`);
  const taskOf = (n: number) => ["one:work", "two:work", "three:work"][n % 3]!;
  await raw.hset(
    keys.jobs,
    ...ids.flatMap((id, n) => [id, `${recordHead(taskOf(n), "default", "h1", {})}{}]`]),
  );
  await raw.rpush(keys.queue("default").pending, ...ids);
  const reports = await Promise.all(
    ["one:work", "two:work"].map((task, n) => inspectors[n]!.purgeQueue("default", { task })),
  );
  expect(reports.map(({ removed }) => removed)).toEqual([2000, 2000]);
  const left = await raw.lrange(keys.queue("default").pending, 0, -1);
  expect(left).toEqual(ids.filter((_id, n) => n % 3 === 2));
  expect(await raw.exists(keys.purging)).toBe(0);
});

const TURN_BY_OTHER = `
for _ = 1, 1000 do
  redis.call('LMOVE', KEYS[1], KEYS[1], 'LEFT', 'RIGHT')
end
redis.call('SET', KEYS[2], 'other', 'PX', 20)`;

test("a purge that has lost its turn to another begins it anew", async () => {
  const project = setupProject({ redis, tasks: [one, two] as never });
  const { keys, raw } = project;
  const { pending } = keys.queue("default");
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await project.enqueue(one, { n: 1 });
  const ids = Array.from({ length: 3000 }, (_u, n) => `j${n}`);
  const recordOf = (n: number) =>
    `${recordHead(n % 2 === 0 ? "one:work" : "two:work", "default", "h1", {})}{}]`;
  await raw.hset(keys.jobs, ...ids.flatMap((id, n) => [id, recordOf(n)]));
  await raw.rpush(pending, ...ids);
  let other: Promise<unknown> | undefined;
  const { removed } = await inspector.purgeQueue("default", {
    task: "one:work",
    onProgress: () => {
      // As if this process had stood still, and another had turned a part of the list meanwhile.
      other ??= raw.eval(TURN_BY_OTHER, 2, pending, keys.purging);
    },
  });
  await other;
  expect([removed, await raw.llen(pending)]).toEqual([1501, 1500]);
});
