/**
 * Wires the parts of `weft dev`: a change triggers codegen, valid output restarts the worker, and all parts
 * share one log.
 */
import type { GenerateResult, Watcher } from "../../codegen/index.js";
import type { Config } from "../../runtime/config/index.js";
import { formatResult } from "../output/codegen-result.js";
import type { Colors } from "../output/colors.js";
import type { DevRedis } from "../redis/index.js";
import type { Session } from "../session.js";
import { Child } from "./child.js";
import { SourceWatcher } from "./source-watcher.js";
import { WorkerKeeper } from "./worker-keeper.js";

export interface DevServerOptions {
  readonly root: string;
  readonly redis: DevRedis;
  readonly config: Config;
  /** A program to run once, as soon as the first worker is up. */
  readonly program: string | undefined;
  /** Path of the `weft` program itself. */
  readonly main: string;
  readonly session: Session;
}

type Source = "codegen" | "dev" | "run" | "worker";

const PAINT: Readonly<Record<Source, (colors: Colors) => (text: string) => string>> = {
  codegen: (colors) => colors.cyan,
  dev: (colors) => colors.dim,
  run: (colors) => colors.magenta,
  worker: (colors) => colors.green,
};

/**
 * One save touches several files and a checkout touches many: wait this long so that they cause one restart.
 */
const SETTLE_MS = 100;
const WORKER_GRACE = "5s";
/**
 * Above the worker's own grace: a worker that is killed before it has handed its jobs back holds them until
 * the lease expires.
 */
const STOP_WAIT_MS = 8000;

export class DevServer {
  readonly #options: DevServerOptions;
  readonly #colors: Colors;
  readonly #env: NodeJS.ProcessEnv;
  readonly #sources: SourceWatcher;
  readonly #worker: WorkerKeeper;
  #codegen: Watcher | undefined;
  #program: Child | undefined;
  #settling: NodeJS.Timeout | undefined;
  /** True once codegen has succeeded: before that there is no code for a worker to run. */
  #runnable = false;
  #failed = false;

  constructor(options: DevServerOptions) {
    const { session, redis, root, config } = options;
    this.#options = options;
    this.#colors = session.colors("stdout");
    this.#env = {
      TASKWEFT_WORKER_GRACE: WORKER_GRACE,
      ...session.io.env,
      TASKWEFT_REDIS_URL: redis.url,
      // The program reads no weft.config.yaml, and must enqueue where the worker looks.
      TASKWEFT_PREFIX: String(config.setting("redis.prefix").value),
      TASKWEFT_SHARDS: String(config.setting("redis.shards").value),
    };
    this.#sources = new SourceWatcher(() => this.#restartSoon());
    this.#worker = new WorkerKeeper({
      child: {
        args: [options.main, "worker"],
        cwd: root,
        env: this.#env,
        onLine: (line) => this.#log("worker", line),
      },
      graceMs: STOP_WAIT_MS,
      log: (line) => this.#log("worker", line),
    });
  }

  async start(): Promise<void> {
    const { redis, root } = this.#options;
    this.#log("dev", `Redis: ${redis.description}; data is ${redis.persistence}`);
    this.#log(
      "dev",
      "in another terminal: weft enqueue <task> '<json>', weft jobs list, weft queues list; Ctrl-C ends",
    );
    const { watch } = await import("../../codegen/index.js");
    this.#codegen = watch({ root }, (result) => this.#onGenerated(result));
    await this.#sources.add(root);
  }

  /** Stops the parts in order of dependency; the caller stops Redis afterwards. */
  async close(): Promise<void> {
    this.#log("dev", "stopping");
    clearTimeout(this.#settling);
    this.#sources.close();
    await this.#codegen?.close();
    await Promise.all([this.#program?.stop(STOP_WAIT_MS), this.#worker.close()]);
    clearTimeout(this.#settling);
  }

  #onGenerated(result: GenerateResult): void {
    const changed = result.written.length + result.deleted.length + result.stubs.length > 0;
    const good = result.status === "ok";
    // After a failure, a run without changes is worth reporting too: it says that the problem is gone.
    if (!good || changed || !this.#runnable || this.#failed || result.diagnostics.length > 0) {
      this.#logLines("codegen", formatResult(result, "text", this.#colors));
    }
    if (!good && this.#runnable) this.#log("codegen", "the worker goes on with the last good code");
    this.#failed = !good;
    if (!good || (this.#runnable && !changed)) return;
    if (this.#runnable) return this.#restartSoon();
    this.#runnable = true;
    this.#worker.restart();
    this.#runProgram();
  }

  #restartSoon(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      if (!this.#runnable) return;
      this.#log("dev", "changed: restarting the worker");
      this.#worker.restart();
    }, SETTLE_MS);
  }

  #runProgram(): void {
    const { program, root } = this.#options;
    if (program === undefined) return;
    this.#program = new Child({
      args: ["--import", import.meta.resolve("tsx"), program],
      cwd: root,
      env: this.#env,
      onLine: (line) => this.#log("run", line),
      onEnd: (how) => {
        this.#program = undefined;
        if (how !== 0) this.#log("run", `ended with ${how}`);
      },
    });
  }

  #logLines(source: Source, text: string): void {
    for (const line of text.trimEnd().split("\n")) this.#log(source, line);
  }

  #log(source: Source, line: string): void {
    const prefix = PAINT[source](this.#colors)(`${source.padEnd(7)} |`);
    this.#options.session.io.stdout.write(`${prefix} ${line}\n`);
  }
}
