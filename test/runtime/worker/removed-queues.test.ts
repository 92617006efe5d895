// A deploy has removed a queue: what is left there is worked by whoever is told to, and nobody is left in the dark.
import { describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { QueueWatch } from "../../../runtime/worker/queue-watch.js";
import { assertKnown } from "../../../runtime/worker/served-queues.js";
import { defineTask, type Project, RecordingLogger, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const BEFORE = [
  { name: "default", weight: 1 },
  { name: "parcels", weight: 3 },
];
const pay = defineTask("pay:it");
const refund = defineTask("pay:back");
const retry = { maxRetries: 3, backoff: { type: "fixed", delayMs: 100, jitter: "none" } } as const;
const ship = defineTask("ship:it", { queue: "parcels", retry });
/** The same task after the deploy. */
const moved = defineTask("ship:it");
const order = (more = {}) =>
  workflow(
    [
      { name: "pay", needs: [], job: jobOf(pay as never), compensate: jobOf(refund as never) },
      { name: "ship", needs: ["pay"], job: jobOf(ship as never), onFailure: "compensate" },
    ],
    more,
  );

/** The project before the deploy, and after it under the same prefix. */
function setup(shards = 1): { readonly before: Project; readonly after: Project } {
  const before = setupProject({ redis, tasks: [pay, refund, ship] as never, queues: BEFORE, shards });
  const after = setupProject({ redis, tasks: [pay, refund, moved] as never, shards });
  return { before, after };
}

/** Two shards, of which the node of the second does not answer. */
function oneAway({
  keys,
}: Project): readonly { readonly connection: Connection; readonly keys: Project["keys"] }[] {
  return [redis.url, "redis://127.0.0.1:1"].map((url) => {
    const connection = new Connection({ url }, "test");
    onTestFinished(() => connection.disconnect());
    return { connection, keys };
  });
}

test("a queue that no shard knows of those that answer is named while another is away", async () => {
  const logger = new RecordingLogger();
  const homes = oneAway(setup().before);
  // Goes on for as long as the shard is away.
  assertKnown([{ name: "parcles", weight: 1 }], BEFORE, homes, logger, 200).catch(() => undefined);
  await until("the warning", () => logger.lines.length > 0);
  expect(logger.lines[0]).toMatchObject({ level: "warn", fields: { queue: "parcles" } });
});

describe("a worker that is told to serve it", () => {
  test("lets a run end that was cancelled, and one whose time was over, and both are undone", async () => {
    const { before, after } = setup();
    const undone: string[] = [];
    const handlers = {
      "pay:it": () => 1,
      "pay:back": (job: { id: string }) => void undone.push(job.id),
      "ship:it": () => {
        throw new Error("nothing is to be shipped");
      },
    };
    const { prefix, raw, keys } = before;
    const cancelled = await start(before, order());
    const late = await start(before, order({ hash: "0a1b2c3e", timeoutMs: 1000 }));
    const worker = await after.worker(handlers, { prefix });
    const { pending } = keys.queue("parcels");
    await until("both to wait for the queue", async () => (await raw.llen(pending)) === 2);
    await cancelled.cancel();
    const states = () => raw.hmget(keys.workflows, `${cancelled.id} :state`, `${late.id} :state`);
    await until("both to be stopped", async () => {
      expect((await states()).every((state) => !/ \d/.test(state ?? ""))).toBe(true);
      return (await states()).join() === "cancelling,compensating";
    });
    expect(undone).toEqual([]);
    const other = await after.worker(handlers, { prefix, queues: ["parcels"] });
    expect([await endOf(cancelled), await endOf(late)]).toEqual(["RunCancelled", "RunFailed"]);
    expect(undone.toSorted()).toEqual([`${cancelled.id}.pay.undo`, `${late.id}.pay.undo`].toSorted());
    await Promise.all([worker.stop(), other.stop()]);
  });

  test("works off what waits there, is due later, or is tried again", async () => {
    const { before, after } = setup();
    const { prefix } = before;
    let fails = true;
    const failing = await before.worker({
      "ship:it": () => {
        if (fails) throw new Error("the carrier is closed");
      },
    });
    const retried = await before.enqueue(ship, { n: 1 });
    await until("it to be due again", async () => (await before.state(retried.id)) === "due");
    await failing.stop();
    fails = false;
    const plain = await before.enqueue(ship, { n: 2 });
    const delayed = await before.enqueue(ship, { n: 3 }, { delay: "50ms" });
    const ran: string[] = [];
    const handlers = { "ship:it": (job: { id: string }) => void ran.push(job.id) };
    await after.worker(handlers, { prefix, queues: ["parcels", "default"] });
    await Promise.all([plain, delayed, retried].map((job) => job.result({ timeout: "20s" })));
    expect(ran.toSorted()).toEqual([plain.id, delayed.id, retried.id].toSorted());
  });

  test("leaves the weight of the queue as it was", async () => {
    const { before, after } = setup();
    await (await before.worker({})).stop();
    await after.worker({}, { prefix: before.prefix, queues: ["default", "parcels"] });
    expect(await before.raw.hmget(before.keys.meta, "queue:default", "queue:parcels")).toEqual(["1", "3"]);
  });
});

test.each([1, 3])(
  "a queue that neither the definitions nor Redis know is refused at the start, with %i shards",
  async (shards) => {
    const { before, after } = setup(shards);
    const { prefix } = before;
    await (await before.worker({})).stop();
    const worker = after.newWorker({}, { prefix, queues: ["default", "parcel"] });
    const error = await rejection(worker.start());
    expect(error).toMatchObject({ code: "OptionInvalid" });
    expect(error.message).toBe(
      "OptionInvalid: queues: expected queues of the definitions or of Redis (default, parcels), got 'parcel'",
    );
    expect(await before.raw.zcard(before.keys.leases)).toBe(0);
  },
);

test("one shard that knows the queue is enough", async () => {
  const { before, after } = setup(3);
  const { prefix } = before;
  const job = await before.enqueue(ship, { n: 1 }, { id: "mine" });
  const home = before.router.ofId(job.id);
  const others = before.shards.filter(({ keys }) => keys.shard !== home);
  // As where the Redis of the others has lost what it had.
  for (const { raw, keys } of others) await raw.hdel(keys.meta, "queue:parcels");
  await after.worker({ "ship:it": () => "sent" }, { prefix, queues: ["parcels"] });
  expect(await job.result({ timeout: "20s" })).toBe("sent");
});

describe("jobs that nobody would run", () => {
  const warning = "jobs wait in a queue that no live worker serves";
  const warnings = ({ logger }: Project) => logger.lines.filter(({ message }) => message === warning);

  test.each([1, 3])("are told of by a worker that starts, once for all of %i shards", async (shards) => {
    const { before, after } = setup(shards);
    const { prefix } = before;
    await before.many(ship, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    await before.enqueue(ship, { n: 5 }, { delay: "1h" });
    await after.worker({}, { prefix });
    await until("the warning", () => warnings(after).length > 0);
    const fields = {
      queue: "parcels",
      pending: 4,
      due: 1,
      atGate: 0,
      hint: "run: weft worker --queues parcels",
    };
    expect(warnings(after).map((line) => [line.level, line.fields])).toEqual([["warn", fields]]);
    const inspector = openInspector({ url: redis.url, prefix, shards });
    onTestFinished(() => inspector.close());
    expect(await inspector.listUnservedQueues()).toEqual([
      { name: "parcels", pending: 4, due: 1, atGate: 0 },
    ]);
    await after.worker({ "ship:it": () => 1 }, { prefix, queues: ["parcels"] });
    expect(await inspector.listUnservedQueues()).toEqual([]);
  });

  test("are told of when the last worker that served the queue is gone, and again when it is once more", async () => {
    const { before, after } = setup();
    const { prefix, keys } = before;
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    const old = await before.worker({}, { queues: ["parcels"] });
    await before.raw.hset(keys.paused, "parcels", Date.now());
    const job = await before.enqueue(ship, { n: 1 });
    const logger = new RecordingLogger();
    const looks: number[] = [];
    // Each look begins with the names of the queues.
    const hkeys = connection.redis.hkeys.bind(connection.redis);
    connection.redis.hkeys = ((key: string) => hkeys(key).finally(() => looks.push(1))) as typeof hkeys;
    const more = async (count: number): Promise<void> => {
      const from = looks.length;
      await until(`${count} looks`, () => looks.length >= from + count);
    };
    const watch = new QueueWatch({
      homes: [{ connection, keys }],
      served: ["default"],
      defined: ["default"],
      logger,
      lookMs: 5,
    });
    onTestFinished(() => watch.stop());
    watch.start();
    await more(3);
    expect(logger.lines).toEqual([]);
    await old.stop();
    await until("the warning", () => logger.lines.length > 0);
    await more(3);
    expect(logger.messages("warn")).toEqual([warning]);
    const again = await after.worker({}, { prefix, queues: ["parcels"] });
    await more(3);
    await again.stop();
    await until("another", () => logger.lines.length > 1);
    expect(logger.messages("warn")).toEqual([warning, warning]);
    watch.stop();
    await job.cancel();
  });

  test("are told of while another shard is away, each once", async () => {
    const { before } = setup();
    await before.enqueue(ship, { n: 1 });
    const logger = new RecordingLogger();
    const watch = new QueueWatch({
      homes: oneAway(before),
      served: ["default"],
      defined: ["default"],
      logger,
      lookMs: 5,
      patienceMs: 200,
    });
    onTestFinished(() => watch.stop());
    watch.start();
    await until("the warning", () => logger.lines.length > 0);
    expect(logger.messages("warn")).toEqual([warning]);
  });

  test("of the definitions are not told of at the start: their worker may come in a moment", async () => {
    const { before } = setup();
    await before.enqueue(ship, { n: 1 });
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    const logger = new RecordingLogger();
    const ports = {
      homes: [{ connection, keys: before.keys }],
      served: ["default"],
      defined: ["default", "parcels"],
      logger,
    };
    const first = new QueueWatch(ports);
    onTestFinished(() => first.stop());
    first.start();
    // As many round trips as a look takes.
    for (let trip = 0; trip < 3; trip += 1) await connection.redis.ping();
    expect(logger.lines).toEqual([]);
    const later = new QueueWatch({ ...ports, lookMs: 5 });
    onTestFinished(() => later.stop());
    later.start();
    await until("the second look", () => logger.lines.length > 0);
    expect(logger.messages("warn")).toEqual([warning]);
  });
});
