/** What somebody who runs a queue looks at: how deep it is, how fast it drains, and what it costs in memory. */
import { Redis } from "ioredis";
import type { Operator } from "../../support/operator.js";

export interface Gauges {
  readonly pending: number;
  readonly active: number;
  /** Of the whole Redis server. */
  readonly memoryBytes: number;
}

export class Meter {
  readonly #operator: Operator;
  readonly #redis: Redis;

  constructor(operator: Operator, redisUrl: string) {
    this.#operator = operator;
    this.#redis = new Redis(redisUrl);
  }

  async read(): Promise<Gauges> {
    const [queue] = await this.#operator.inspector.listQueues();
    const memory = await this.#redis.info("memory");
    return {
      pending: queue?.pending ?? 0,
      active: queue?.active ?? 0,
      memoryBytes: Number(/^used_memory:(\d+)/m.exec(memory)?.[1] ?? 0),
    };
  }

  close(): void {
    this.#redis.disconnect();
  }
}
