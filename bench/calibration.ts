/** What one plain command costs on this machine: figures of two machines can only be compared beside it. */
import { percentile } from "./figures/statistics.js";
import { RedisServer } from "./redis-server.js";

export interface Calibration {
  /** Median of one SET from call to reply, nothing else in flight. */
  readonly roundTripUs: number;
  /** Redis CPU of one such SET. */
  readonly redisUsPerCommand: number;
}

const COMMANDS = 10_000;

export async function calibrate(): Promise<Calibration> {
  const server = await RedisServer.start({ aof: false });
  try {
    await server.roundTrips(COMMANDS / 10);
    const before = await server.counters();
    const timesUs = await server.roundTrips(COMMANDS);
    const after = await server.counters();
    return {
      roundTripUs: Math.round(percentile(timesUs, 0.5) * 10) / 10,
      redisUsPerCommand: Math.round(((after.cpuUs - before.cpuUs) / COMMANDS) * 10) / 10,
    };
  } finally {
    await server.stop();
  }
}
