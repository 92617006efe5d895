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
