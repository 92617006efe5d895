// Plays workflows on workers of which one lives at a time and dies at the call that the test chooses; says what differs from the model.
import { onTestFinished } from "vitest";
import { createWorker, type Job, PermanentError, type TaskContext } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { parseStepOutcome, runFields } from "../../../runtime/protocol/index.js";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import { cancelRun } from "../../../runtime/scripts/index.js";
import type { Worker } from "../../../runtime/worker/index.js";
import { fieldsOfItem, fieldsOfStep, WorkflowGraph } from "../../../runtime/workflow/index.js";
import { bury, type Death, Life, SILENT } from "../../support/mortal-worker.js";
import { DEFAULT_QUEUES, defineTask, type Project, setupProject } from "../../support/project.js";
import { differences, type RandomWorkflow, RUNS_TOO_LONG, workJobId } from "../../support/random-workflow.js";
import type { TestRedis } from "../../support/redis.js";
import { within } from "../../support/signal.js";
import { emitter, itemsOf, start } from "../../support/workflow.js";

/** Far longer than any run here takes: whatever lasts longer hangs. */
const HANGS_MS = 20_000;
/** A crashed attempt and its repetition, for each of two deaths, and one that fails before it succeeds. */
const MOST_STARTS = 4;

export const TASKS = {
  add: defineTask("math:add"),
  limited: defineTask("math:limited", { concurrency: { limit: 2 } as never }),
  undo: defineTask("math:undo"),
} as const;

type Work = Job<{ readonly n: number }>;

export interface Fate {
  /** Of the calls that the worker makes from here on. */
  readonly nth: number;
  readonly death: Death;
}

interface Player {
  readonly worker: Worker;
  readonly life: Life;
}

interface End {
  readonly end: string;
  readonly output?: unknown;
  /** Why it did not complete. */
  readonly reason?: string;
}

export class MortalStage {
  readonly #redis: TestRedis;
  readonly #project: Project;
  readonly #emit: ReturnType<typeof emitter>;
  /** Of those who cancel. */
  readonly #connection: Connection;
  /** How often each job of the run was started. */
  readonly #starts = new Map<string, number>();
  /** What differed, in words. */
  readonly found: string[] = [];
  /** Deaths so far. */
  points = 0;
  #plays = 0;
  /** A job of this id asks for the end of its run. */
  #cancelledBy = "";
  #definition: WorkflowDefinition | undefined;
  #cancelled = false;
  #player: Player | undefined;
  /** They wake when the run has ended without them. */
  readonly #frozen: Player[] = [];

  constructor(redis: TestRedis) {
    this.#redis = redis;
    this.#project = setupProject({ redis, tasks: Object.values(TASKS) as never });
    this.#emit = emitter(this.#project);
    this.#connection = new Connection({ url: redis.url }, "test");
    onTestFinished(async () => {
      this.#connection.disconnect();
      await this.#player?.worker.stop();
    });
  }

  /** Plays it once, with a worker for each fate and one that survives. False when the run ended before the first death. */
  async play(one: RandomWorkflow, fates: readonly Fate[], cancelBy?: string): Promise<boolean> {
    const run = `${one.definition.hash}-${this.#plays++}`;
    this.#starts.clear();
    this.#cancelled = false;
    this.#cancelledBy = `${run}.${cancelBy}`;
    this.#definition = one.definition;
    const what = `${run} ${JSON.stringify(fates)}, cancelled by ${cancelBy}, to end: ${JSON.stringify(one.definition.steps)}`;
    // The first is to die in this run, not in what comes before.
    let player = await this.#arm(fates[0]);
    const handle = await start(this.#project, one.definition, {}, run);
    // While the worker plays and dies: some steps wait already, others begin to later.
    const emitted = Promise.all(one.events.map((key) => this.#emit({ key })));
    // Awaited below; where something hangs before that, the test fails with its name and not with a closed connection.
    emitted.catch(() => undefined);
    const ended: Promise<End> = handle.result({ timeout: `${2 * HANGS_MS}ms` }).then(
      (output) => ({ end: "completed", output }),
      ({ message }: Error) => ({ end: message.split(":", 1)[0] ?? "", reason: message }),
    );
    let deaths = 0;
    while (deaths < fates.length) {
      await within(HANGS_MS, what, Promise.race([ended, player.life.ended.promise]));
      if (!player.life.over) {
        player.life.goOn();
        break;
      }
      await within(HANGS_MS, what, player.life.ended.promise);
      deaths += 1;
      player = await this.#replace(player, one, run, fates[deaths]);
    }
    const end = await within(HANGS_MS, what, ended);
    await emitted;
    this.found.push(...this.#differences(one, end, await this.#outcomes(one, run)));
    this.found.push(...(await this.#leftOver(run)));
    for (const frozen of this.#frozen.splice(0)) this.found.push(...(await this.#thaw(frozen, one, run)));
    this.points += deaths;
    return deaths > 0;
  }

  /** What had ended when the worker died must not be started again: its count of starts is closed. */
  async #replace(player: Player, one: RandomWorkflow, run: string, fate: Fate | undefined): Promise<Player> {
    for (const name of (await this.#outcomes(one, run)).keys())
      this.#starts.set(workJobId(one.definition, run, name), Infinity);
    const { life, worker } = player;
    if (life.killed) await bury(this.#project, worker, this.#redis.url);
    if (life.frozen) this.#frozen.push(player);
    this.#player = undefined;
    return await this.#arm(fate);
  }

  /** One that comes back too late changes nothing of what others have done in its place. */
  async #thaw({ life, worker }: Player, one: RandomWorkflow, run: string): Promise<string[]> {
    const before = await this.#fields(one, run);
    life.thaw();
    await worker.stop();
    const after = await this.#fields(one, run);
    const changed = after.filter((line, i) => line !== before[i]);
    return [
      ...changed.map((line) => `changed by one that was thawed: ${line}`),
      ...(await this.#leftOver(run)),
    ];
  }

  /** What is known of the run beside its record. */
  async #fields({ definition }: RandomWorkflow, run: string): Promise<string[]> {
    const { raw, keys } = this.#project;
    const fields = definition.steps.flatMap((step) => [
      ...fieldsOfStep(run, step),
      ...itemsOf(step.forEach).flatMap((_item, i) => fieldsOfItem(run, step, i)),
    ]);
    const names = [runFields.state(run), runFields.open(run), ...fields];
    const texts = await raw.hmget(keys.workflows, ...names);
    return names.map((name, i) => `${name}: ${texts[i]}`);
  }

  async #arm(fate: Fate | undefined): Promise<Player> {
    this.#player ??= await this.#newPlayer();
    if (fate === undefined) this.#player.life.goOn();
    else this.#player.life.endAt(fate.nth, fate.death);
    return this.#player;
  }

  async #newPlayer(): Promise<Player> {
    const life = new Life();
    const worker = createWorker(
      {
        contracts: Object.values(TASKS) as never,
        queues: DEFAULT_QUEUES,
        schedules: [],
        handlers: {
          ...this.#handler(life, "math:add", add),
          ...this.#handler(life, "math:limited", add),
          ...this.#handler(life, "math:undo", () => undefined),
        } as never,
      },
      {
        url: this.#redis.url,
        prefix: this.#project.prefix,
        logger: SILENT,
        grace: "0ms",
        lease: "60s",
        maxBlock: 0,
        redis: { connectionName: life.connectionName },
      },
    );
    life.worker = worker;
    return { worker: await worker.start(), life };
  }

  #handler(life: Life, name: string, work: (job: Work, ctx: TaskContext) => unknown): object {
    const handler = async (job: Work, ctx: TaskContext): Promise<unknown> => {
      // What is left of a dead worker in this process does nothing.
      if (life.dead) return await new Promise(() => undefined);
      if (life.frozen) return await life.thawed.promise;
      const times = (this.#starts.get(job.id) ?? 0) + 1;
      this.#starts.set(job.id, times);
      if (times > MOST_STARTS)
        this.found.push(`${job.id} had ended, or was started too often, and runs again`);
      if (job.id === this.#cancelledBy) await this.#cancel(job.id.split(".", 1)[0] ?? "");
      return await work(job, ctx);
    };
    return { [name]: async () => ({ name, handler }) };
  }

  /** Whoever cancels dies after the first call: all the rest is done by a job of the run. */
  async #cancel(run: string): Promise<void> {
    const { keys } = this.#project;
    const { stopper } = new WorkflowGraph(this.#definition!);
    const state = await cancelRun(this.#connection, { keys, run, stopper, jobs: [] });
    // Too late where a step has failed before.
    if (state === "cancelling") this.#cancelled = true;
  }

  /** Where the end came from outside, only what is undone is known beforehand: all that had completed, or nothing. */
  #differences(
    one: RandomWorkflow,
    { end, output, reason = "" }: End,
    outcomes: ReadonlyMap<string, string>,
  ): string[] {
    const ended = Object.fromEntries(outcomes);
    const timedOut = reason.endsWith("its timeout");
    if (!this.#cancelled && !timedOut) return [...differences(one, end, ended, output)];
    const { hash, steps, onTimeout } = one.definition;
    const wrong = steps.filter(({ name, compensate }) => {
      const undoes = compensate !== undefined && !(timedOut && onTimeout === "fail");
      return (ended[`${name}~`] !== undefined) !== (undoes && ended[name] === "completed");
    });
    return [
      ...(end === (this.#cancelled ? "RunCancelled" : "RunFailed") ? [] : [`${hash}: is ${end}, ${reason}`]),
      ...wrong.map(({ name }) => `${hash}: ${name} is ${ended[name]}, and its undoing ${ended[`${name}~`]}`),
    ];
  }

  /** How what can end has ended, by its name in the run: steps, items, undoings. */
  async #outcomes({ definition }: RandomWorkflow, run: string): Promise<ReadonlyMap<string, string>> {
    const { raw, keys } = this.#project;
    const names = definition.steps.flatMap(({ name, forEach }) => [
      name,
      `${name}~`,
      ...itemsOf(forEach).map((_item, i) => `${name}.${i}`),
    ]);
    const texts = await raw.hmget(keys.workflows, ...names.map((name) => runFields.step(run, name)));
    return new Map(
      names.flatMap((name, i) => {
        const text = texts[i];
        return typeof text === "string" ? [[name, parseStepOutcome(text).status] as const] : [];
      }),
    );
  }

  /** No job of a run that has ended waits or is held. */
  async #leftOver(run: string): Promise<string[]> {
    const { raw, keys } = this.#project;
    const { pending, due } = keys.queue("default");
    const [waiting, later, active] = await Promise.all([
      raw.lrange(pending, 0, -1),
      raw.zrange(due, 0, "-1"),
      raw.hkeys(keys.active),
    ]);
    const left = [...waiting, ...later, ...active].filter((id) => /^[^.:]+/.exec(id)?.[0] === run);
    return left.map((id) => `${run} has ended, and its job ${id} has not`);
  }
}

async function add({ payload: { n }, attempt }: Work, { signal }: TaskContext): Promise<number> {
  if (n <= RUNS_TOO_LONG) await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
  if (n < 0) throw new PermanentError("no");
  if (n % 1 !== 0 && attempt === 1) throw new Error("not yet");
  return n;
}
