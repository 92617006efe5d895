/** Worker processes of an example: `generated/worker.ts`, started, killed and replaced. */
import { readFile } from "node:fs/promises";
import { startWorker, stopAll, type DemoProcess } from "../../tools/demo/processes.js";
import { eventually, type Place } from "./place.js";

/** A machine that runs a whole test suite beside it is slow. */
const START_MS = 60_000;
const STOP_MS = 20_000;

export class Fleet {
  /** Workers that were killed. */
  kills = 0;
  readonly #place: Place;
  readonly #env: NodeJS.ProcessEnv;
  #running: DemoProcess[] = [];
  #started = 0;

  /** `env` is what all workers get beside the environment of this process and the address of Redis. */
  constructor(place: Place, env: NodeJS.ProcessEnv) {
    this.#place = place;
    this.#env = { ...process.env, TASKWEFT_REDIS_URL: place.redisUrl, ...env };
  }

  get workers(): readonly DemoProcess[] {
    return this.#running;
  }

  /** Resolves when so many more work. */
  async start(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#startOne()));
  }

  /** Kills one as a crash does, and starts another in its place. */
  async replace(worker: DemoProcess): Promise<void> {
    worker.kill("SIGKILL");
    this.kills += 1;
    await this.#gone(worker);
    await this.#startOne();
  }

  /** Asks one to stop in order, as a deploy does; gives its exit code. */
  async stop(worker: DemoProcess): Promise<number | NodeJS.Signals> {
    worker.kill("SIGTERM");
    return await this.#gone(worker);
  }

  /** Asks all to stop in order, and gives their exit codes. */
  async stopAll(): Promise<readonly (number | NodeJS.Signals)[]> {
    const stopping = this.#running;
    this.#running = [];
    await stopAll(stopping, STOP_MS);
    return await Promise.all(stopping.map((worker) => worker.ended));
  }

  async #startOne(): Promise<void> {
    this.#started += 1;
    const worker = startWorker({ root: this.#place.root, logs: this.#place.logs }, this.#started, this.#env);
    this.#running.push(worker);
    const works = await eventually(async () => !worker.isRunning() || (await isWorking(worker)), START_MS);
    if (!works || !worker.isRunning()) throw new Error(`${worker.name} did not start: see ${worker.log}`);
  }

  async #gone(worker: DemoProcess): Promise<number | NodeJS.Signals> {
    this.#running = this.#running.filter((other) => other !== worker);
    return await worker.ended;
  }
}

async function isWorking(worker: DemoProcess): Promise<boolean> {
  try {
    return (await readFile(worker.log, "utf8")).includes("worker started");
  } catch (error) {
    // The log comes with the first line that is printed.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
