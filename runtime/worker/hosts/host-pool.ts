/**
 * The hosts of one isolation rule. They are started when jobs wait, kept for the next jobs, and ended when
 * idle. There are at most as many as processors, unless the rule says otherwise: more hosts would only share
 * the processors, and each job would take longer. A job that waits for a host keeps its slot, and its timeout
 * starts when a host takes it.
 */
import { availableParallelism } from "node:os";
import { type ConnectionOptions, threadConnection } from "../../connection/index.js";
import type { IsolateRule } from "../../definition/index.js";
import type { Execution } from "../attempts/execution.js";
import type { Job, Logger } from "../handler.js";
import { ShuttingDown } from "../abort-reasons.js";
import { Host, type Turn } from "./host.js";
import type { HostClient } from "./messages.js";

const IDLE_MS = 60_000;

export interface HostPoolOptions {
  readonly rule: IsolateRule;
  /** URL of the module that makes the registry. */
  readonly module: string;
  readonly connection: ConnectionOptions;
  readonly prefix: string;
  /** Default: one. */
  readonly shards?: number;
  readonly logger: Logger;
  /** Default: a minute. */
  readonly idleMs?: number;
}

export class HostPool {
  readonly #options: HostPoolOptions;
  readonly #most: number;
  readonly #waiting: Turn[] = [];
  /** The first free host gets the next job, so that the last ones become idle. */
  readonly #hosts: Host[] = [];

  constructor(options: HostPoolOptions) {
    this.#options = options;
    this.#most = options.rule.most ?? availableParallelism();
  }

  /** Hosts that are busy or idle. */
  get size(): number {
    return this.#hosts.length;
  }

  /**
   * Runs the handler of a job in a host.
   * @throws what the handler throws; `HandlerCrashed` when the host died.
   */
  run(job: Job, execution: Execution): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const turn: Turn = { job, execution, resolve, reject };
      execution.deadlineAt = Number.POSITIVE_INFINITY;
      const { signal } = execution;
      signal.addEventListener("abort", () => this.#abort(turn, signal.reason), { once: true });
      this.#enter(turn);
    });
  }

  /**
   * Loads the handlers of these tasks in a host, which is then warm.
   * @throws what a broken handler file throws.
   */
  async load(tasks: readonly string[]): Promise<void> {
    await new Promise((resolve, reject) => this.#enter({ tasks, resolve, reject }));
  }

  /** A worker that stops while it starts still waits for its handlers to be loaded: it is told so. */
  close(): void {
    for (const host of this.#hosts.splice(0)) host.end();
    for (const turn of this.#waiting.splice(0)) turn.reject(new ShuttingDown());
  }

  #enter(turn: Turn): void {
    this.#waiting.push(turn);
    this.#assign();
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const free = this.#hosts.find((host) => host.state === "free");
      const turn = free && this.#waiting.shift();
      if (turn === undefined) break;
      const late = lateness(turn);
      if (late === undefined) free?.begin(turn);
      else turn.reject(late);
    }
    const starting = this.#hosts.filter((host) => host.state === "starting").length;
    const wanted = Math.min(this.#waiting.length - starting, this.#most - this.#hosts.length);
    for (let more = wanted; more > 0; more -= 1) this.#hosts.push(this.#start());
  }

  #abort(turn: Turn, reason: unknown): void {
    const place = this.#waiting.indexOf(turn);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      turn.reject(reason);
      return;
    }
    for (const host of this.#hosts) host.abort(turn, reason);
  }

  #start(): Host {
    const { module, rule, logger, idleMs = IDLE_MS } = this.#options;
    const client = this.#client();
    return new Host({
      rule,
      start: { type: "start", module, ...(client === undefined ? {} : { client }) },
      logger,
      idleMs,
      onFree: () => this.#assign(),
      onGone: (host, error) => this.#gone(host, error),
    });
  }

  /**
   * A host that could not start fails the job for which it was started; otherwise a broken module would be
   * retried for ever.
   */
  #gone(host: Host, error: unknown): void {
    const place = this.#hosts.indexOf(host);
    if (place >= 0) this.#hosts.splice(place, 1);
    if (error !== undefined) this.#waiting.shift()?.reject(error);
    this.#assign();
  }

  #client(): HostClient | undefined {
    const { connection, prefix, shards = 1 } = this.#options;
    const reachable = threadConnection(connection, "client");
    return "obstacle" in reachable
      ? undefined
      : { url: reachable.address, redis: reachable.options, prefix, shards };
  }
}

/** Why the job must not start any more: it may have waited long for a host. */
function lateness(turn: Turn): unknown {
  try {
    if ("execution" in turn) turn.execution.assertInTime();
    return undefined;
  } catch (error) {
    return error;
  }
}
