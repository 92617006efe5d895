// A network that drops connections without a word: nobody is told that they are gone, so the silence itself must tell.
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

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

describe("a connection whose silence may last 200 ms", () => {
  async function connect() {
    const proxy = await startProxy(redis.port);
    const { redis: asked } = new Connection({ url: proxy.url, redis: { socketTimeout: 200 } }, "test");
    onTestFinished(() => asked.disconnect());
    await asked.ping();
    const errors: string[] = [];
    asked.on("error", (error: Error) => errors.push(error.message));
    return { proxy, asked, errors };
  }

  test("is made anew when an answer is due, and what it had asked is asked again", async () => {
    const { proxy, asked, errors } = await connect();
    proxy.dropSilently();
    expect(await within(10_000, "the answer on another connection", asked.ping())).toBe("PONG");
    expect(errors).toEqual(["the connection was silent for 200 ms while an answer was due"]);
  });

  test("is reset, so that nothing of it arrives after it was sent again", async () => {
    const ends = signal<string>();
    const server = createServer((socket) => {
      socket.on("end", () => ends.send("ended"));
      socket.on("error", ({ message }) => ends.send(message));
      socket.resume();
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const url = `redis://127.0.0.1:${port}`;
    const { redis: asked } = new Connection({ url, redis: { socketTimeout: 200 } }, "test");
    onTestFinished(() => asked.disconnect());
    expect(await within(10_000, "the end of the connection", ends.promise)).toBe("read ECONNRESET");
  });

  test("stays while this process does not listen", async () => {
    const { asked, errors } = await connect();
    const { stream } = asked;
    // Blocked for longer than the limit while an answer is due; it has come by the time the loop goes on.
    for (let times = 0; times < 3; times += 1) {
      const answer = asked.ping();
      const blockedUntil = performance.now() + 500;
      while (performance.now() < blockedUntil);
      await answer;
    }
    expect(errors).toEqual([]);
    expect(asked.stream).toBe(stream);
  });
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
