// Workflow runs while their workers are killed: every run ends as the model says, and a step whose end was stored is not run again.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { compiled } from "../support/compiled.js";
import { type RunningProgram, startProgram } from "../support/process.js";
import { type Project, setupProject } from "../support/project.js";
import { differences, randomWorkflow } from "../support/random-workflow.js";
import { startRedis } from "../support/redis.js";
import { seededRandom, until } from "../support/signal.js";
import { endOf, jobOf, outcomes, path, start, workflow } from "../support/workflow.js";
import { ADD, QUEUES, UNDO } from "./workflow-tasks.js";

const redis = await startRedis();
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = await compiled(new URL("workflow-process.ts", import.meta.url));

class Fleet {
  readonly #workers: RunningProgram[] = [];
  readonly #project: Project;
  readonly #effects: string;
  readonly #concurrency: string;

  constructor(project: Project, concurrency: number) {
    this.#concurrency = String(concurrency);
    const folder = mkdtempSync(join(tmpdir(), "weft-workflows-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    this.#project = project;
    this.#effects = join(folder, "effects");
    writeFileSync(this.#effects, "");
    onTestFinished(() => this.killAll());
  }

  async start(): Promise<void> {
    const worker = startProgram(process.execPath, [ENTRY], {
      cwd: ROOT,
      env: {
        TASKWEFT_REDIS_URL: redis.url,
        TASKWEFT_PREFIX: this.#project.prefix,
        TASKWEFT_WORKER_LEASE: "1s",
        TASKWEFT_WORKER_CONCURRENCY: this.#concurrency,
        EFFECTS: this.#effects,
      },
    });
    this.#workers.push(worker);
    await worker.printed(/worker started/);
  }

  async kill(): Promise<void> {
    const worker = this.#workers.shift();
    worker?.signal("SIGKILL");
    await worker?.ended;
  }

  async killAll(): Promise<void> {
    while (this.#workers.length > 0) await this.kill();
  }

  /** How often each job was started. */
  starts(): Map<string, number> {
    const starts = new Map<string, number>();
    for (const id of readFileSync(this.#effects, "utf8").split("\n").filter(Boolean)) {
      starts.set(id, (starts.get(id) ?? 0) + 1);
    }
    return starts;
  }
}

test("200 random workflows over five killed workers", { timeout: 120_000 }, async () => {
  const seed = Number(process.env["WORKFLOW_SEED"] ?? Date.now() % 2 ** 31);
  const random = seededRandom(seed);
  const project = setupProject({ redis, tasks: [ADD, UNDO] as never, queues: QUEUES });
  const fleet = new Fleet(project, 4);
  const made = Array.from({ length: 200 }, (_unused, n) =>
    randomWorkflow(random, `w${n}`, { add: ADD, undo: UNDO, children: true } as never),
  );
  const runs = await Promise.all(made.map(({ definition }) => start(project, definition)));
  await fleet.start();
  for (let killed = 0; killed < 5; killed++) {
    const before = fleet.starts().size;
    await fleet.start();
    await until("more steps to begin", () => fleet.starts().size > before + 20, 20_000);
    await fleet.kill();
  }
  const found = await Promise.all(
    runs.map(async (run, n) => {
      const end = await endOf(run);
      return differences(made[n] as (typeof made)[number], end, await outcomes(project, run.id));
    }),
  );
  expect(found.flat(), `seed ${seed}`).toEqual([]);
  // A job whose worker was killed runs again; not more often than workers were killed, and most only once.
  const again = [...fleet.starts().values()].filter((times) => times > 1);
  expect(again.every((times) => times <= 3)).toBe(true);
  await fleet.killAll();
});

test(
  "a fan-out of 2,000 whose workers are all killed in the middle goes on when they come back",
  { timeout: 180_000 },
  async () => {
    const project = setupProject({ redis, tasks: [ADD, UNDO] as never, queues: QUEUES });
    const fleet = new Fleet(project, 100);
    const size = Number(process.env["CHAOS_FAN_OUT"] ?? 2000);
    const list = Array.from({ length: size }, (_unused, n) => n);
    const definition = workflow([
      {
        name: "each",
        needs: [],
        forEach: path("input", "list"),
        maxParallel: 200,
        job: jobOf(ADD as never, path("item")),
      },
      { name: "last", needs: ["each"], job: jobOf(ADD as never) },
    ]);
    const run = await start(project, definition, { list });
    await project.raw.config("SET", "slowlog-log-slower-than", "1000", "slowlog-max-len", "10000");
    await Promise.all([fleet.start(), fleet.start()]);
    await until("a third of the items to begin", () => fleet.starts().size > size / 3, 60_000);
    await fleet.killAll();
    const before = fleet.starts();
    await fleet.start();
    const backAt = performance.now();
    await run.result({ timeout: "120s" });
    if (process.env["CHAOS_FAN_OUT"] !== undefined) {
      console.info(`ended ${Math.round(performance.now() - backAt)} ms after they came back`);
      console.info(`slowest commands: ${JSON.stringify(await slowest(project))}`);
      console.info(`longest values: ${JSON.stringify(await longestValues(project))}`);
    }
    // Nothing grows with the list but the input, and the runs of steps are many small fields.
    const [, second = 0] = await longestValues(project);
    expect(second).toBeLessThan(4096);
    const starts = fleet.starts();
    expect(starts.size).toBe(size + 1);
    // Only what was under way when they died ran again.
    const again = [...starts].filter(([, times]) => times > 1);
    expect(again.length).toBeLessThanOrEqual(200);
    expect(again.every(([id]) => before.has(id))).toBe(true);
    await fleet.killAll();
  },
);

/** Scripts and reads that held Redis longest: name and milliseconds. */
async function slowest({ raw }: Project): Promise<readonly [string, number][]> {
  const entries = (await raw.call("SLOWLOG", "GET", "-1")) as [number, number, number, string[]][];
  return entries
    .map(([, , micros, [command = "", name = ""]]): [string, number] => [`${command} ${name}`, micros / 1000])
    .sort(([, one], [, other]) => other - one)
    .slice(0, 8);
}

/** Characters of the longest fields of the run's hash. */
async function longestValues({ raw, keys }: Project): Promise<readonly number[]> {
  const values = await raw.hvals(keys.workflows);
  return values
    .map((value) => value.length)
    .sort((one, other) => other - one)
    .slice(0, 3);
}
