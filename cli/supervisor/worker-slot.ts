/**
 * One slot of a supervisor, with at most one worker process in it.
 *
 *   starting --ready--> ready --ended--> paused --> starting
 *      \------------ended--------------/^
 *   any --stop--> stopping --ended--> stopped
 */
import { spawn, type ChildProcess } from "node:child_process";
import { type FleetMetrics, METRICS_QUESTION, metricsAnswer } from "../../runtime/metrics/index.js";

/** Delay before a worker that ended is replaced (ms); doubles while workers end soon after their start. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A worker that lived this long did not fail at its start (ms). */
const STEADY_MS = 60_000;

export interface WorkerSlotOptions {
  /** Number of the slot in the log, from 1. */
  readonly number: number;
  /** Arguments for Node. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  /** Metrics of all slots; this slot adds those of its workers. */
  readonly metrics: FleetMetrics;
  /** Called when a worker ended before it was ready. */
  readonly onFailedStart: () => void;
}

export class WorkerSlot {
  readonly #options: WorkerSlotOptions;
  #process: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #failedStarts = 0;
  #stopping = false;
  readonly #stopped: Promise<boolean>;
  #onStopped: (inOrder: boolean) => void = () => undefined;

  constructor(options: WorkerSlotOptions) {
    this.#options = options;
    this.#stopped = new Promise((resolve) => (this.#onStopped = resolve));
  }

  /** Number of workers in a row that ended before they were ready. */
  get failedStarts(): number {
    return this.#failedStarts;
  }

  start(): void {
    const { args, cwd, env, log, metrics, number } = this.#options;
    const startedAt = performance.now();
    let ready = false;
    // A process group of its own: Ctrl-C reaches every process of the terminal's group, and the supervisor
    // passes it on. The streams are inherited, so that log lines stay as the project's logger wrote them. The
    // IPC channel carries "ready" up, and tells the worker when the supervisor has died.
    let child: ChildProcess;
    try {
      child = spawn(process.execPath, [...process.execArgv, ...args], {
        cwd,
        env,
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        detached: process.platform !== "win32",
      });
    } catch (error) {
      // Out of memory, for one. Thrown on, it would end the supervisor, and with it all workers at once.
      log(`worker process ${number}: ${(error as Error).message}`);
      this.#replace((error as NodeJS.ErrnoException).code ?? null, 0, false);
      return;
    }
    this.#process = child;
    log(`worker process ${number} starts, pid ${child.pid}`);
    let member: ReturnType<FleetMetrics["join"]> | undefined;
    child.on("message", (message) => {
      const snapshot = metricsAnswer(message);
      if (snapshot !== undefined) member?.heard(snapshot);
      if (message !== "ready") return;
      ready = true;
      // Join only now: a scrape waits for every member, and a worker that is starting cannot answer.
      member = metrics.join(() => child.connected && child.send(METRICS_QUESTION, () => undefined));
      this.#failedStarts = 0;
    });
    child.once("error", (error) => log(`worker process ${number}: ${error.message}`));
    // Not `exit`: "ready" may still be in the channel.
    child.once("close", (code, signal) => {
      this.#process = undefined;
      member?.left();
      const livedMs = performance.now() - startedAt;
      if (this.#stopping) this.#end(code === 0 || signal === "SIGTERM", code ?? signal);
      else this.#replace(code ?? signal, livedMs, ready);
    });
  }

  /**
   * Asks the worker to stop. Resolves when it has ended, to whether it stopped cleanly. Waits as long as the
   * worker takes.
   */
  stop(): Promise<boolean> {
    if (this.#stopping) return this.#stopped;
    this.#stopping = true;
    clearTimeout(this.#restart);
    if (this.#process === undefined) this.#onStopped(true);
    // Not a signal: systemd signals every process of a unit, and a second signal would end a worker that is
    // draining.
    else this.#process.send("stop", () => undefined);
    return this.#stopped;
  }

  /** Kills the worker at once, whatever it runs. */
  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  #end(inOrder: boolean, how: number | string | null): void {
    if (!inOrder)
      this.#options.log(`worker process ${this.#options.number} ended with ${how} while it stopped`);
    this.#onStopped(inOrder);
  }

  #replace(how: number | string | null, livedMs: number, ready: boolean): void {
    const { log, number, onFailedStart } = this.#options;
    if (livedMs > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    log(
      `worker process ${number} ended with ${how}${ready ? "" : " before it was ready"}; another in ${pauseMs} ms`,
    );
    this.#restart = setTimeout(() => this.start(), pauseMs);
    if (ready || livedMs > STEADY_MS) return;
    this.#failedStarts += 1;
    onFailedStart();
  }
}
