/** The demo itself: three workers, a producer, progress, and the account at the end. */
import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Display, type Progress } from "./display.js";
import type { DemoOptions } from "./options.js";
import { startProducer, startWorker, stopAll, type DemoFolders, type DemoProcess } from "./processes.js";
import { openShopView, type QueueRow, type ShopView } from "./shop-view.js";
import { summaryText, takeAccount } from "./summary.js";
import { Tally } from "./tally.js";

export interface DemoRedis {
  readonly url: string;
  readonly description: string;
  readonly persistence: string;
}

/** Something that the person at the keyboard should read as it is, without a stack. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}

const LEDGER = "ledger.jsonl";
const CONCURRENCY = 20;
const JOBS_PER_ORDER = 6;
const REFRESH_MS = 250;
/** --kill waits until this share of the jobs is done. */
const KILL_AT_SHARE = 0.3;
const KILL_POLL_MS = 5;
const KILL_SEARCH_MS = 3000;
/** With --kill, instead of the worker's 15 s: so that nobody waits long to see the jobs taken back. */
const KILL_LEASE = "5s";
const STOP_GRACE_MS = 15_000;
/** With no change in this time the demo gives up and says which jobs are missing; above the longest lease. */
const STALLED_AFTER_MS = 90_000;

/** Runs to its end (--once) or until Ctrl-C. Gives the exit code: 1 if an order is not accounted for. */
export async function runDemo(root: string, redis: DemoRedis, options: DemoOptions): Promise<number> {
  const demo = await openDemo(root, redis, options);
  try {
    await demo.watch();
    return await demo.finish();
  } finally {
    await demo.close();
  }
}

async function openDemo(root: string, redis: DemoRedis, options: DemoOptions): Promise<Demo> {
  const folder = resolve(root, options.folder);
  await clear(folder);
  const ledger = join(folder, LEDGER);
  // The tally opens the file before the first worker has written to it.
  await appendFile(ledger, "");
  process.stderr.write(
    `Redis: ${redis.description}; data is ${redis.persistence}.\nLogs and ledger: ${options.folder}. Starting workers and the producer ...\n`,
  );
  const view = openShopView(redis.url);
  // What earlier runs left in this Redis is not this run's.
  const deadBefore = totalDead(await view.queues());
  return new Demo(options, { root, logs: folder }, ledger, redis, view, deadBefore);
}

/** Empties only what an earlier demo has filled: `--folder .` must not delete the repository. */
async function clear(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = await readdir(folder);
  if (names.length > 0 && !names.includes(LEDGER))
    throw new DemoError(
      `--folder: expected an empty folder, or that of an earlier demo, got other files in ${folder}`,
    );
  await rm(folder, { recursive: true });
  await mkdir(folder);
}

class Demo {
  readonly #options: DemoOptions;
  readonly #tally: Tally;
  readonly #view: ShopView;
  readonly #display: Display;
  readonly #workers: readonly DemoProcess[];
  readonly #producer: DemoProcess;
  readonly #stop = new AbortController();
  readonly #startedAt = performance.now();
  readonly #deadBefore: number;
  #queues: readonly QueueRow[] = [];
  #runsGoOn = true;
  #killed: DemoProcess | undefined;

  constructor(
    options: DemoOptions,
    folders: DemoFolders,
    ledger: string,
    redis: DemoRedis,
    view: ShopView,
    deadBefore: number,
  ) {
    const env = {
      ...process.env,
      TASKWEFT_DEMO_LEDGER: ledger,
      TASKWEFT_REDIS_URL: redis.url,
      TASKWEFT_WORKER_CONCURRENCY: String(CONCURRENCY),
      ...(options.kill ? { TASKWEFT_WORKER_LEASE: KILL_LEASE } : {}),
    };
    this.#options = options;
    this.#deadBefore = deadBefore;
    this.#tally = new Tally(ledger);
    this.#view = view;
    this.#workers = Array.from({ length: options.workers }, (_, index) =>
      startWorker(folders, index + 1, env),
    );
    this.#producer = startProducer(folders, options.orders, options.rate, env);
    const heading = `taskweft shop: ${options.workers} workers with ${CONCURRENCY} slots each, ${redis.description}`;
    this.#display = new Display(process.stdout, heading);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, this.#onSignal);
  }

  readonly #onSignal = (): void => this.#stop.abort();

  /** Shows progress until every order is done, nothing moves any more, or a person has had enough. */
  async watch(): Promise<void> {
    let last = "";
    let changedAt = performance.now();
    while (!this.#stop.signal.aborted) {
      await this.#refresh();
      if (this.#isDone()) return;
      const { started, finished, steps, ordersPlaced } = this.#tally;
      const seen = `${started} ${finished} ${steps} ${ordersPlaced}`;
      if (seen !== last) changedAt = performance.now();
      last = seen;
      if (performance.now() - changedAt > STALLED_AFTER_MS) return;
      await this.#killOneInTheMiddle();
      await this.#checkProcesses();
      await pause(REFRESH_MS);
    }
    this.#display.note("Stopping: no new orders, workers finish what they hold ...");
  }

  /** Stops everything, then counts. After Ctrl-C jobs may rightly still wait; after --once none may. */
  async finish(): Promise<number> {
    await stopAll([this.#producer], STOP_GRACE_MS);
    await stopAll(this.#workers, STOP_GRACE_MS);
    await this.#tally.update();
    this.#display.clear();
    const interrupted = this.#stop.signal.aborted;
    if (interrupted && !this.#options.once) {
      process.stdout.write(
        `${this.#tally.ordersPlaced} orders placed, ${this.#tally.finished} jobs and ${this.#tally.steps} steps of runs finished.\n`,
      );
      return 0;
    }
    const account = await takeAccount(this.#tally, this.#view, this.#options.kill);
    process.stdout.write(`${summaryText(account, this.#tally, performance.now() - this.#startedAt)}\n`);
    const complete = account.orders === this.#options.orders && account.problems.length === 0;
    return interrupted ? 130 : Number(!complete);
  }

  async close(): Promise<void> {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    await stopAll([this.#producer, ...this.#workers], STOP_GRACE_MS);
    await this.#tally.close();
    this.#view.close();
  }

  async #refresh(): Promise<void> {
    await this.#tally.update();
    this.#queues = await this.#view.queues();
    // A run goes from queue to queue while these are read one after the other: quiet queues do not say that it has ended.
    this.#runsGoOn = await this.#view.runsGoOn();
    this.#display.show(this.#progress(), performance.now());
  }

  #progress(): Progress {
    const { orders } = this.#options;
    return {
      ordersPlaced: this.#tally.ordersPlaced,
      ordersWanted: orders === Number.MAX_SAFE_INTEGER ? Infinity : orders,
      jobsPlaced: this.#tally.jobs.size,
      executed: this.#tally.finished,
      steps: this.#tally.steps,
      retried: this.#tally.retried,
      deduplicated: this.#tally.deduplicated,
      dead: totalDead(this.#queues) - this.#deadBefore,
      queues: this.#queues,
      workers: this.#workers.map((worker) => ({
        pid: worker.pid,
        running: worker !== this.#killed,
        finished: this.#tally.finishedByPid.get(worker.pid) ?? 0,
      })),
    };
  }

  #isDone(): boolean {
    const isQuiet = this.#queues.every((queue) => queue.pending + queue.later + queue.active === 0);
    return (
      this.#tally.ordersPlaced >= this.#options.orders &&
      !this.#producer.isRunning() &&
      isQuiet &&
      !this.#runsGoOn
    );
  }

  /** Waits for a moment in which a worker has jobs in its hands: killing an idle one would show nothing. */
  async #killOneInTheMiddle(): Promise<void> {
    const share = this.#tally.finished / (this.#options.orders * JOBS_PER_ORDER);
    if (!this.#options.kill || this.#killed || share < KILL_AT_SHARE) return;
    const giveUpAt = performance.now() + KILL_SEARCH_MS;
    while (!this.#killed && performance.now() < giveUpAt && !this.#stop.signal.aborted) {
      for (const worker of this.#workers) if (!this.#killed) await this.#killIfBusy(worker);
      await pause(KILL_POLL_MS);
    }
  }

  async #killIfBusy(worker: DemoProcess): Promise<void> {
    await this.#tally.update();
    if (this.#tally.inHands(worker.pid) === 0) return;
    // Frozen first, so that the jobs which the ledger shows are still in its hands when it dies.
    worker.kill("SIGSTOP");
    await this.#tally.update();
    const held = this.#tally.inHands(worker.pid);
    if (held === 0) {
      worker.kill("SIGCONT");
      return;
    }
    this.#killed = worker;
    worker.kill("SIGKILL");
    this.#display.note(
      `Killed worker ${worker.pid} with SIGKILL while it ran ${held} jobs; others run them when its lease has ended.`,
    );
  }

  /** A worker or producer that ended by itself means a broken set-up: waiting for its jobs would tell nobody why. */
  async #checkProcesses(): Promise<void> {
    const producerCode = this.#producer.isRunning() ? 0 : await this.#producer.ended;
    if (producerCode !== 0) throw await endedByItself(this.#producer, producerCode);
    for (const worker of this.#workers) {
      if (worker === this.#killed || worker.isRunning()) continue;
      throw await endedByItself(worker, await worker.ended);
    }
  }
}

async function endedByItself(one: DemoProcess, code: number | NodeJS.Signals): Promise<DemoError> {
  const text = await readFile(one.log, "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !/^\s+at /.test(line));
  return new DemoError(
    `The ${one.name} ended with ${code}. The end of ${one.log}:\n${lines.slice(-12).join("\n")}`,
  );
}

function totalDead(queues: readonly QueueRow[]): number {
  return queues.reduce((sum, queue) => sum + queue.dead, 0);
}
