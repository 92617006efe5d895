// Durations that are longer than a timer of Node can be: 24.8 days, behind which it would fire at once.
import { expect, onTestFinished, test } from "vitest";
import { defineTask, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { signal, until, within } from "../support/signal.js";
import { start, workflow, jobOf } from "../support/workflow.js";

const redis = await startRedis();
const work = defineTask("some:work");
const flow = workflow([{ name: "only", needs: [], job: jobOf(work as never) }]);
const setup = () => setupProject({ redis, tasks: [work] as never });

/** What Node says of a timer that it was asked for and cannot set. */
function overflows(): readonly string[] {
  const heard: string[] = [];
  const note = ({ name, message }: Error): void => {
    if (name === "TimeoutOverflowWarning") heard.push(message);
  };
  process.on("warning", note);
  onTestFinished(() => void process.off("warning", note));
  return heard;
}

test("a deadline of 30 days gives up nothing", async () => {
  const heard = overflows();
  const project = setup();
  const client = project.newClient({ deadline: "30d" });
  await client.ready();
  await expect(project.enqueue(work, { n: 1 }, { client })).resolves.toMatchObject({ deduplicated: false });
  await expect(project.enqueue(work, { n: 2 }, { client, durability: "replicated" })).rejects.toMatchObject({
    code: "DurabilityNotReached",
  });
  await client.close();
  expect(heard).toEqual([]);
});

test("a wait of 30 days for a result waits for it", async () => {
  const heard = overflows();
  const project = setup();
  const job = await project.enqueue(work, { n: 1 });
  const run = await start(project, flow);
  const results = Promise.all([job.result({ timeout: "30d" }), run.result({ timeout: "30d" })]);
  await until("both waits to be noted", async () =>
    (
      await Promise.all([
        project.raw.hexists(project.keys.waits, job.id),
        project.raw.hexists(project.keys.waits, run.id),
      ])
    ).every((there) => there === 1),
  );
  await project.worker({ "some:work": () => "done" });
  expect((await within(10_000, "both to end", results))[0]).toBe("done");
  expect(heard).toEqual([]);
});

test("a worker with a grace and a lease of years aborts nothing when it stops, and looks no more often", async () => {
  const heard = overflows();
  const project = setup();
  const [started, go] = [signal(), signal()];
  let aborted = false;
  const worker = await project.worker(
    {
      "some:work": async (_job, ctx) => {
        ctx.signal.addEventListener("abort", () => (aborted = true));
        started.send();
        await go.promise;
        return "finished";
      },
    },
    { grace: "3650d", lease: "3650d" },
  );
  const job = await project.enqueue(work, { n: 1 });
  await started.promise;
  const stopping = worker.stop();
  await until("the worker to wait for its handlers", () =>
    project.logger.messages("info").includes("worker stops"),
  );
  // The time of a timer that fires at once, several times.
  for (let i = 0; i < 20; i++) await project.raw.ping();
  go.send();
  await within(5000, "the worker to stop", stopping);
  expect(aborted).toBe(false);
  expect(await job.result()).toBe("finished");
  expect(heard).toEqual([]);
});
