// A worker dies at each of its calls to Redis in turn (before it goes out, before its answer is heard), is told to stop, or stands still
// until another has done its work, while a handler waits for an event: nothing that came is lost, and nothing is done that was done.
import { describe, expect, onTestFinished, test } from "vitest";
import { createWorker, type Job, type TaskContext } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { waitsField } from "../../../runtime/protocol/index.js";
import { Reaper } from "../../../runtime/worker/leases/reaper.js";
import type { Worker } from "../../../runtime/worker/index.js";
import { type Death, Life, SILENT } from "../../support/mortal-worker.js";
import { DEFAULT_QUEUES, defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { approver, listening } from "../../support/waits.js";

/** Of the calls of a job one in so many is tried; the long form: `CRASH_STRIDE=1`. */
const STRIDE = Number(process.env["CRASH_STRIDE"] ?? 3);
/** Far longer than any job here takes: whatever lasts longer hangs. */
const HANGS_MS = 15_000;
const IN_VAIN_MS = 40;

const redis = await startRedis();
const order = defineTask<{ orderId: string }, unknown>("order:work", {
  waitsFor: { "order:approved": ["orderId"] },
});
type Context = TaskContext<{
  "order:approved": { event: { orderId: string; by: string }; by: "orderId" };
}>;

/** When the event comes: while the handler asks for it, when its job rests, or never. */
type Scene = "after" | "during" | "never";

interface Player {
  readonly life: Life;
  readonly worker: Worker;
}

class Stage {
  readonly #project: Project;
  readonly #emit: ReturnType<typeof approver>;
  /** What was done, by the id of the job. */
  readonly done = new Map<string, string[]>();
  /** What is not as it should be, in words. */
  readonly found: string[] = [];

  constructor() {
    this.#project = setupProject({ redis, tasks: [order] as never });
    this.#emit = approver(this.#project);
  }

  /** Plays one job. False when it ended before the death. */
  async play(scene: Scene, nth: number, death: Death): Promise<boolean> {
    const id = `${scene}-${death}-${nth}`;
    this.done.set(id, []);
    const mortal = await this.#start(scene);
    mortal.life.endAt(nth, death);
    const { life } = mortal;
    const job = await this.#project.enqueue(order, { orderId: id }, { id });
    const result = job.result({ timeout: `${HANGS_MS}ms` }).catch((error: unknown) => error);
    let other: Player | undefined;
    const replaced = life.ended.promise.then(async () => (other = await this.#replace(mortal, scene)));
    if (scene === "after") {
      const listens = async (): Promise<boolean> => (await listening(this.#project, id)).length > 0;
      await until(`${id} to listen`, listens);
      const { heardBy } = await this.#emit({ orderId: id, by: "Ada" }, `e-${id}`);
      if (heardBy.join() !== id) this.found.push(`${id}: heard by ${heardBy.join()}`);
    }
    const got = await within(HANGS_MS, id, result);
    const isOver = life.over;
    if (isOver) await within(HANGS_MS, id, replaced);
    else life.goOn();
    if (got !== (scene === "never" ? "none came" : "Ada")) this.found.push(`${id}: gave ${String(got)}`);
    this.#lookAtSteps(id, isOver && death !== "stopped" ? 2 : 1);
    if (life.frozen) {
      const before = await this.#fields(id);
      life.thaw();
      await mortal.worker.stop();
      // It may do once more what it was about to do, before it hears that the job is another's; nothing of that is stored.
      if ((await this.#fields(id)) !== before) this.found.push(`${id}: changed by one that was thawed`);
    }
    await (other ?? mortal).worker.stop();
    return isOver;
  }

  async #fields(id: string): Promise<string> {
    const { keys, raw } = this.#project;
    const notes = await raw.hmget(keys.notes, id, waitsField(id));
    return JSON.stringify([await this.#project.run(id), notes, await raw.zcard(keys.listeners)]);
  }

  /** A step whose end was not stored may run again, once; nothing runs after its end is known. */
  #lookAtSteps(id: string, most: number): void {
    const done = this.done.get(id) ?? [];
    const isRight = ["ask", "ship"].every((step) => {
      const times = done.filter((name) => name === step).length;
      return times >= 1 && times <= most;
    });
    if (!isRight || done.indexOf("ship") < done.lastIndexOf("ask"))
      this.found.push(`${id}: did ${done.join(", ")}`);
  }

  async #replace({ life, worker }: Player, scene: Scene): Promise<Player> {
    if (life.killed) {
      const { keys, raw } = this.#project;
      await raw.zadd(keys.leases, "XX", 1, worker.name);
      const connection = new Connection({ url: redis.url }, "test");
      const reaper = new Reaper({ connection, keys, logger: SILENT, deadKeepMs: 60_000 });
      reaper.reap([worker.name]);
      await reaper.settled();
      connection.disconnect();
    }
    return await this.#start(scene);
  }

  async #start(scene: Scene): Promise<Player> {
    const life = new Life();
    const handler = async ({ id }: Job, ctx: Context): Promise<unknown> => {
      if (life.dead) return await new Promise(() => undefined);
      const note = (what: string): unknown => !life.dead && this.done.get(id)?.push(what);
      const timeout = scene === "never" ? IN_VAIN_MS : ("1h" as const);
      const answer = ctx.waitFor("approval", "order:approved", { where: { orderId: id }, timeout });
      await ctx.step("ask", async () => {
        note("ask");
        if (scene === "during") await this.#emit({ orderId: id, by: "Ada" }, `e-${id}`);
      });
      const event = await answer;
      await ctx.step("ship", () => void note("ship"));
      return event?.by ?? "none came";
    };
    const worker = createWorker(
      {
        contracts: [order] as never,
        queues: DEFAULT_QUEUES,
        schedules: [],
        handlers: { "order:work": async () => ({ name: "order:work", handler }) } as never,
      },
      {
        url: redis.url,
        prefix: this.#project.prefix,
        logger: SILENT,
        grace: "0ms",
        lease: "60s",
        maxBlock: 0,
        redis: { connectionName: life.connectionName },
      },
    );
    life.worker = worker;
    // One that is dead would wait for answers that do not come.
    onTestFinished(() => (life.dead ? undefined : worker.stop()));
    return { life, worker: await worker.start() };
  }
}

describe.each(["during", "after", "never"] as const)("an event that comes: %s", (scene) => {
  test.each(["unsent", "unanswered", "stopped", "frozen"] as const)(
    "a worker ends at each of its calls: %s",
    { timeout: 600_000 },
    async (death) => {
      const stage = new Stage();
      let points = 0;
      for (let nth = 1; await stage.play(scene, nth, death); nth += STRIDE) points += 1;
      expect(stage.found).toEqual([]);
      expect(points).toBeGreaterThan(1);
    },
  );
});
