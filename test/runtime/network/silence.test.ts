// A network that drops connections without a word: nobody is told that they are gone, so the silence itself must tell.
import { expect, test } from "vitest";
import { createClient } from "taskweft/generated-v1";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const redis = await startRedis();
const work = defineTask("some:work");

test("an idle worker whose connections went silent makes new ones and works on", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const proxy = await startProxy(redis.port);
  await project.worker(
    { "some:work": () => "done" },
    { url: proxy.url, lease: "30s", redis: { socketTimeout: 5500 } },
  );
  await until("the worker to sit in its blocking pop", async () =>
    /name=taskweft-waker.*cmd=blpop/.test((await project.raw.client("LIST")) as string),
  );
  proxy.dropSilently();
  const job = await project.enqueue(work, { n: 1 });
  expect(await within(15_000, "the worker to hear of the job", job.result())).toBe("done");
});

test("a server that only reads is named as the reason why there is no answer", async () => {
  const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(redis.port)] });
  const client = createClient({ url: replica.url, deadline: "1s" });
  const error = await rejection(client.ready());
  await client.close();
  expect(error.message).toMatch(/^RedisUnavailable: expected a Redis at redis:.*, got: READONLY/);
});

test.each(["", "127.0.0.1:6379", "http://user:secret@127.0.0.1:6379"])("%j is no URL of a Redis", (url) => {
  expect(() => createClient({ url })).toThrow(
    /^OptionInvalid: url: expected redis:\/\/user:password@host:port/,
  );
  expect(() => createClient({ url })).not.toThrow(/secret/);
});
