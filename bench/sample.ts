/** One sample: a fresh Redis server, fresh processes for the library under test, and the meter around what counts. */
import os from "node:os";
import type { Library, Target } from "./adapters/adapter.js";
import { AgentProcess } from "./agent/agent-process.js";
import type { AgentRole } from "./agent/messages.js";
import { nowUs, processCpuUs } from "./clock.js";
import type { Metrics } from "./figures/metrics.js";
import { RedisServer } from "./redis-server.js";

export interface SampleOptions {
  readonly library: Library;
  /** Multiplies the number of jobs. */
  readonly scale: number;
  readonly aof: boolean;
}

/** What happened between two readings of all counters. */
export interface Window {
  readonly wallMs: number;
  readonly redisCpuUs: number;
  /** Calls by command, inside scripts included, without the harness' own INFO. */
  readonly calls: Readonly<Record<string, number>>;
  readonly nodeCpuUs: number;
  /** Cores used by processes that are not part of the sample. */
  readonly foreignCores: number;
}

export interface Measured {
  readonly metrics: Metrics;
  readonly window: Window;
  /** Jobs that the window's counters stand for; commands in the result are divided by it. */
  readonly jobs: number;
}

/** Below this a tick of the kernel's CPU accounting (10 ms) says more about the clock than about other processes. */
const SHORTEST_GATED_MS = 100;
/** The harness' own INFO at the start of a window is counted by the one at its end. */
const OWN_INFO_CALLS = 1;

export class Sample {
  readonly library: Library;
  readonly redis: RedisServer;
  readonly #scale: number;
  readonly #agents: AgentProcess[] = [];

  /** Runs `body` with a sample and leaves no process behind, whatever happens. */
  static async run(options: SampleOptions, body: (sample: Sample) => Promise<Measured>): Promise<Measured> {
    const sample = new Sample(options, await RedisServer.start({ aof: options.aof }));
    try {
      const measured = await body(sample);
      await Promise.all(sample.#agents.map((agent) => agent.close()));
      return measured;
    } finally {
      await Promise.all(sample.#agents.map((agent) => agent.kill()));
      await sample.redis.stop();
    }
  }

  private constructor(options: SampleOptions, redis: RedisServer) {
    this.library = options.library;
    this.redis = redis;
    this.#scale = options.scale;
  }

  /** `base` jobs at scale 1; never fewer than `least`. */
  scaled(base: number, least = 100): number {
    return Math.max(Math.min(base, least), Math.round(base * this.#scale));
  }

  /** Starts a fresh process with the library loaded and connected. */
  async agent(
    role: AgentRole,
    options: Partial<Pick<Target, "features" | "keepCompleted">> = {},
  ): Promise<AgentProcess> {
    const target: Target = {
      host: this.redis.host,
      port: this.redis.port,
      keepCompleted: options.keepCompleted ?? false,
      features: options.features ?? [],
    };
    const agent = await AgentProcess.start(this.library, target, role);
    this.#agents.push(agent);
    return agent;
  }

  /** Reads every counter, runs `body`, reads them again. */
  async measure<Value>(body: () => Promise<Value>): Promise<{ window: Window; value: Value }> {
    const before = await this.#read();
    const value = await body();
    const after = await this.#read();
    return { window: difference(before, after), value };
  }

  async #read(): Promise<Reading> {
    const agents = await Promise.all(this.#agents.map((agent) => agent.call("cpu", undefined)));
    const redis = await this.redis.counters();
    return {
      atUs: nowUs(),
      nodeCpuUs: agents.reduce((sum, cpuUs) => sum + cpuUs, 0),
      harnessCpuUs: processCpuUs(),
      machineCpuUs: machineCpuUs(),
      redisCpuUs: redis.cpuUs,
      calls: redis.calls,
    };
  }
}

interface Reading {
  readonly atUs: number;
  readonly nodeCpuUs: number;
  readonly harnessCpuUs: number;
  readonly machineCpuUs: number;
  readonly redisCpuUs: number;
  readonly calls: Readonly<Record<string, number>>;
}

/** CPU used by everything on the machine so far. */
export function machineCpuUs(): number {
  return os
    .cpus()
    .reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) * 1000, 0);
}

function difference(before: Reading, after: Reading): Window {
  const wallUs = after.atUs - before.atUs;
  const ownCpuUs =
    after.nodeCpuUs -
    before.nodeCpuUs +
    (after.harnessCpuUs - before.harnessCpuUs) +
    (after.redisCpuUs - before.redisCpuUs);
  const foreignUs = Math.max(0, after.machineCpuUs - before.machineCpuUs - ownCpuUs);
  return {
    wallMs: wallUs / 1000,
    redisCpuUs: after.redisCpuUs - before.redisCpuUs,
    calls: callsBetween(before.calls, after.calls),
    nodeCpuUs: after.nodeCpuUs - before.nodeCpuUs,
    foreignCores: wallUs / 1000 < SHORTEST_GATED_MS ? 0 : foreignUs / wallUs,
  };
}

function callsBetween(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  const calls: Record<string, number> = {};
  for (const [name, count] of Object.entries(after)) {
    const own = name === "info" ? OWN_INFO_CALLS : 0;
    const made = count - (before[name] ?? 0) - own;
    if (made > 0) calls[name] = made;
  }
  return calls;
}

/** All calls of a window. */
export function countCalls(window: Window): number {
  return Object.values(window.calls).reduce((sum, count) => sum + count, 0);
}
