import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import os from "node:os";
import { promisify } from "node:util";
import type { Library } from "./adapters/adapter.js";
import { peerVersion } from "./adapters/peer-modules.js";
import { type Calibration, calibrate } from "./calibration.js";
import type { BenchOptions } from "./options.js";
import { PAYLOAD_BYTES } from "./payload.js";
import { REDIS_PROGRAM } from "./redis-server.js";

/** Everything about the machine and the run that a figure depends on. */
export interface Environment {
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly platform: string;
  };
  readonly versions: {
    readonly node: string;
    readonly redis: string;
    readonly libraries: Readonly<Record<Library, string>>;
  };
  readonly options: { readonly rounds: number; readonly scale: number; readonly aof: boolean };
  readonly payloadBytes: number;
  readonly calibration: Calibration;
}

export async function readEnvironment(options: BenchOptions, now: Date): Promise<Environment> {
  const cpus = os.cpus();
  return {
    date: now.toISOString(),
    machine: {
      cpu: cpus[0]?.model ?? "unknown",
      cores: cpus.length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      platform: `${os.platform()} ${os.release()}`,
    },
    versions: {
      node: process.versions.node,
      redis: await redisVersion(),
      libraries: {
        bee: peerVersion("bee-queue"),
        bullmq: peerVersion("bullmq"),
        taskweft: await ownVersion(),
      },
    },
    options: { rounds: options.rounds, scale: options.scale, aof: options.aof },
    payloadBytes: PAYLOAD_BYTES,
    calibration: await calibrate(),
  };
}

async function redisVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)(REDIS_PROGRAM, ["--version"]);
  return /v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim();
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
