// A shard that does not answer holds up its own work, and no other shard's.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { encodeRun, NEW_RUN } from "../../../runtime/protocol/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const other = defineTask("other:work");

test("a job that must run alone does not wait for a step whose run another shard does not give, which runs after it", async () => {
  const project = setupProject({ redis, tasks: [add, other] as never, shards: 2 });
  const idIn = (shard: number, name: string): string => {
    for (let i = 0; ; i += 1) if (project.router.ofId(`${name}${i}`) === shard) return `${name}${i}`;
  };
  const [asked, answer, ends] = [signal(), signal(), signal()];
  const ran: string[] = [];
  const handlers = {
    "math:add": () => void ran.push("step"),
    "other:work": async () => {
      ran.push("alone");
      answer.send();
      await ends.promise;
      ran.push("over");
    },
  };
  // Answers of Redis that are under way for long, to one question of one shard.
  const readRunFields = Reflect.get(Connection.prototype, "readRunFields") as (
    this: Connection,
    ...args: Parameters<Connection["readRunFields"]>
  ) => ReturnType<Connection["readRunFields"]>;
  const reads = vi.spyOn(Connection.prototype, "readRunFields").mockImplementation(async function (
    this: Connection,
    keys,
    fields,
  ) {
    const found = await readRunFields.call(this, keys, fields);
    if (keys.tag === project.shards[0]!.keys.tag) {
      asked.send();
      await answer.promise;
    }
    return found;
  });
  onTestFinished(() => reads.mockRestore());
  const worker = await project.worker(handlers as never, { concurrency: 4 });
  const steps = [{ name: "a", needs: [], job: jobOf(add as never) }];
  const run = await start(project, workflow(steps), {}, idIn(0, "run"));
  await asked.promise;

  const id = idIn(1, "suspect");
  const suspect = await project.enqueue(other as never, { n: 1 } as never, { id, delay: "1h" });
  const { raw, keys } = project.shards[1]!;
  const { due, pending, wake } = keys.queue("default");
  await raw.hset(keys.runs, id, encodeRun({ ...NEW_RUN, crashes: 2 }));
  await raw.multi().zrem(due, id).rpush(pending, id).del(wake).lpush(wake, "1").exec();
  await within(10_000, "the suspect to run", answer.promise);
  // What comes now finds the suspect running: it goes back, and comes again.
  await until("the step to be given back", async () => (await project.state(`${run.id}.a`)) === "pending");
  expect(ran).toEqual(["alone"]);
  ends.send();
  await within(10_000, "the suspect to end", suspect.result());
  expect(await endOf(run)).toBe("completed");
  expect(ran).toEqual(["alone", "over", "step"]);
  await worker.stop();
});
