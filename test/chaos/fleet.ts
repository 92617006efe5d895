// Worker processes of a chaos test: spawned, killed, frozen and replaced.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rm } from "node:fs/promises";
import { onTestFinished } from "vitest";
import { compiled } from "../support/compiled.js";
import { type RunningProgram, startProgram } from "../support/process.js";
import { signal } from "../support/signal.js";
import { type Effect, readEffects } from "./effects.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = await compiled(new URL("worker-process.ts", import.meta.url));

export interface FleetOptions {
  readonly url: string;
  readonly prefix: string;
  readonly env?: NodeJS.ProcessEnv;
}

export class Fleet {
  /** When a process was killed or frozen (ms). */
  readonly goneAt = new Map<number, number>();
  readonly #options: FleetOptions;
  readonly #file: string;

  constructor(options: FleetOptions) {
    this.#options = options;
    const folder = mkdtempSync(join(tmpdir(), "weft-chaos-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    this.#file = join(folder, "effects.jsonl");
    writeFileSync(this.#file, "");
  }

  effects(): readonly Effect[] {
    return readEffects(this.#file);
  }

  /** Resolves when the process works. `env` is its own, beside that of the fleet. */
  async start(env: NodeJS.ProcessEnv = {}): Promise<RunningProgram> {
    const worker = startProgram(process.execPath, [ENTRY], {
      cwd: ROOT,
      env: {
        TASKWEFT_REDIS_URL: this.#options.url,
        TASKWEFT_PREFIX: this.#options.prefix,
        TASKWEFT_WORKER_LEASE: "1s",
        TASKWEFT_WORKER_CONCURRENCY: "5",
        TASKWEFT_WORKER_GRACE: "5s",
        CHAOS_EFFECTS: this.#file,
        ...this.#options.env,
        ...env,
      },
    });
    onTestFinished(async () => {
      worker.signal("SIGKILL");
      await worker.ended;
    });
    await worker.printed(/worker started/);
    return worker;
  }

  /** Keeps so many processes alive, whatever kills them, until the test calls what this gives; that resolves to the kills. */
  keepAlive(count: number): () => Promise<number> {
    let over = false;
    let kills = 0;
    const end = signal();
    const keep = async (): Promise<void> => {
      while (!over) {
        const worker = await this.start();
        await Promise.race([worker.ended, end.promise]);
        if (over) return;
        this.goneAt.set(worker.pid, Date.now());
        kills += 1;
      }
    };
    const keeping = Promise.all(Array.from({ length: count }, keep));
    return async () => {
      over = true;
      end.send();
      await keeping;
      return kills;
    };
  }

  async kill(worker: RunningProgram): Promise<void> {
    this.goneAt.set(worker.pid, Date.now());
    worker.signal("SIGKILL");
    await worker.ended;
  }

  /** Jobs that a process has started and not ended. */
  running(pid: number): number {
    const own = this.effects().filter((effect) => effect.pid === pid);
    return own.reduce((sum, effect) => sum + (effect.kind === "start" ? 1 : -1), 0);
  }
}
