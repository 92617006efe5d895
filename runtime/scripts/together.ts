import { TaskweftError } from "../errors.js";

/**
 * Characters of one call, about. From 128 KiB on a text stands in memory that is mapped for it alone, and to make and to write it costs Node five
 * times as much; one with other letters than those of Latin-1 is twice as large.
 */
export const MOST_CALL_CHARACTERS = 96 * 1024;

export interface CallBounds<Item> {
  /** One script must not hold Redis for long, and Lua unpacks at most some 8,000 values. */
  readonly mostItems: number;
  /** Where items differ much in size: that of one, and the most of one call. Default: 0. */
  readonly sizeOf?: (item: Item) => number;
  readonly mostSize?: number;
}

/** In their order, each part within the bounds; one that is too large is a part of its own. */
export function partsOf<Item>(
  items: readonly Item[],
  bounds: CallBounds<Item>,
): readonly (readonly Item[])[] {
  const { mostItems, sizeOf = () => 0, mostSize = 0 } = bounds;
  const parts: Item[][] = [];
  let part: Item[] = [];
  let left = 0;
  for (const item of items) {
    const size = sizeOf(item);
    left -= size;
    if (part.length === 0 || part.length === mostItems || left < 0) {
      part = [];
      parts.push(part);
      left = mostSize - size;
    }
    part.push(item);
  }
  return parts;
}

/**
 * Gathers what is asked for in one tick, for scripts that do the same for many: a call of its own for each would cost more than what it
 * does. Nothing waits for a timer, so whoever asks alone is answered as soon as ever.
 */
export interface TogetherOptions<Item, Reply> extends CallBounds<Item> {
  /** The answers by the places of the items. Where Redis refuses a call with several, each is sent again alone: that must be harmless. */
  readonly send: (items: readonly Item[]) => Promise<readonly Reply[]>;
}

interface Asked<Item, Reply> {
  readonly item: Item;
  readonly answered: (reply: Reply) => void;
  readonly failed: (error: unknown) => void;
}

export class Together<Item, Reply> {
  readonly #options: TogetherOptions<Item, Reply>;
  #asked: Asked<Item, Reply>[] = [];

  constructor(options: TogetherOptions<Item, Reply>) {
    this.#options = options;
  }

  /** @throws what the call throws. */
  ask(item: Item): Promise<Reply> {
    return new Promise((answered, failed) => {
      this.#asked.push({ item, answered, failed });
      if (this.#asked.length === 1) process.nextTick(() => this.#flush());
    });
  }

  #flush(): void {
    const { sizeOf = () => 0, ...bounds } = this.#options;
    const parts = partsOf(this.#asked.splice(0), { ...bounds, sizeOf: ({ item }) => sizeOf(item) });
    // The promise never rejects: every outcome goes to those who asked.
    for (const part of parts) void this.#send(part);
  }

  async #send(part: readonly Asked<Item, Reply>[]): Promise<void> {
    try {
      const replies = await this.#options.send(part.map(({ item }) => item));
      for (const [i, { answered }] of part.entries()) answered(replies[i]!);
    } catch (error) {
      // What one of them is refused for must hold no other up, and be its own error.
      const isRefused = error instanceof TaskweftError && error.code === "RedisRefused";
      if (isRefused && part.length > 1) await Promise.all(part.map((one) => this.#send([one])));
      else for (const { failed } of part) failed(error);
    }
  }
}
