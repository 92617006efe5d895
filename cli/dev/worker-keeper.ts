/**
 * Keeps one worker running on the latest valid code.
 *
 *   idle --restart--> starting/running --restart--> stopping --ended--> running
 *
 * Several changes during a stop cause one start. A worker that ends by itself stays down until the next
 * change: a crash loop would bury the message that explains it.
 */
import { Child, type ChildOptions } from "./child.js";

export interface WorkerKeeperOptions {
  readonly child: Omit<ChildOptions, "onEnd">;
  /** How long a worker may finish its running jobs before it is killed (ms). */
  readonly graceMs: number;
  readonly log: (line: string) => void;
}

export class WorkerKeeper {
  readonly #options: WorkerKeeperOptions;
  #child: Child | undefined;
  #wanted = false;
  #closed = false;
  #turn: Promise<void> | undefined;

  constructor(options: WorkerKeeperOptions) {
    this.#options = options;
  }

  /** Starts the worker, or replaces the running one. */
  restart(): void {
    if (this.#closed) return;
    this.#wanted = true;
    this.#turn ??= this.#serve().finally(() => (this.#turn = undefined));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wanted = false;
    await this.#turn;
    await this.#stop();
  }

  async #serve(): Promise<void> {
    while (this.#wanted && !this.#closed) {
      this.#wanted = false;
      await this.#stop();
      if (!this.#closed) this.#start();
    }
  }

  #start(): void {
    const child = new Child({
      ...this.#options.child,
      onEnd: (how) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#options.log(`ended with ${how}; it starts again at the next change`);
      },
    });
    this.#child = child;
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.stop(this.#options.graceMs);
  }
}
