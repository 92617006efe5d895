/** Someone who asks Redis for next to nothing all the time, and notices when it is held up. */
import { setTimeout as sleep } from "node:timers/promises";
import { nowUs } from "./clock.js";
import type { RedisServer } from "./redis-server.js";

const EVERY_MS = 1;

export class PingLoop {
  readonly #timesMs: number[] = [];
  readonly #ended: Promise<void>;
  #stopped = false;

  static start(server: RedisServer): PingLoop {
    return new PingLoop(server);
  }

  private constructor(server: RedisServer) {
    this.#ended = this.#run(server);
  }

  /** How long each PING took, from call to reply. */
  async stop(): Promise<readonly number[]> {
    this.#stopped = true;
    await this.#ended;
    return this.#timesMs;
  }

  async #run(server: RedisServer): Promise<void> {
    while (!this.#stopped) {
      const startedAtUs = nowUs();
      await server.ping();
      this.#timesMs.push((nowUs() - startedAtUs) / 1000);
      await sleep(EVERY_MS);
    }
  }
}
