// A worker of several shards that stops: its parts are done at different times.
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();

test("a job that dies during the grace has its follow-up in a shard whose part has stopped already", async () => {
  const failing = defineTask("some:work", { onExhausted: { task: "ops:page", fields: ["jobId"] } });
  const page = defineTask("ops:page", { concurrency: { limit: 1 }, concurrencyKey: () => "k" });
  const project = setupProject({ redis, tasks: [failing, page] as never, shards: 2 });
  const home = project.router.ofKey("ops:page k");
  const id = ["a", "b", "c", "d", "e"].find((one) => project.router.ofId(one) !== home)!;
  const [begun, go] = [signal(), signal()];
  const handlers = {
    "some:work": async () => {
      begun.send();
      await go.promise;
      throw new Error("no");
    },
    "ops:page": () => undefined,
  };
  const worker = await project.worker(handlers, { grace: "20s", lease: "15s" });
  await project.enqueue(failing, { n: 1 }, { id });
  await begun.promise;
  const stopped = worker.stop();
  await until("the other part to have stopped", () =>
    project.logger.lines.some(({ message, fields }) => message === "worker stopped" && fields.shard === home),
  );
  go.send();
  await stopped;
  expect(project.logger.messages("error")).toEqual([]);
  expect(await project.state(id)).toBe("dead");
  const { raw, keys } = project.shards[home]!;
  expect(await raw.hkeys(keys.jobs)).toEqual([project.router.idIn(home, `${id}..exhausted`)]);
});
