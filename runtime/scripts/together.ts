import { TaskweftError } from "../errors.js";

/**
 * Approximate limit of the characters of one call. From 128 KiB on, memory for a text is mapped separately,
 * and building and writing it costs Node five times as much; a text with characters outside Latin-1 takes
 * twice the space.
 */
export const MOST_CALL_CHARACTERS = 96 * 1024;

export interface CallBounds<Item> {
  /** A script must not hold Redis for long, and Lua unpacks at most about 8,000 values. */
  readonly mostItems: number;
  /** For items of very different sizes: the size of an item, and the limit for one call. Default: 0. */
  readonly sizeOf?: (item: Item) => number;
  readonly mostSize?: number;
}

/**
 * Splits the items into chunks within the limits, in order; an item that is too large is a chunk of its own.
 */
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
 * Gathers the requests of one tick for scripts that handle many at once: a call for each would cost more than
 * its work. No timer is involved, so a lone request is not delayed.
 */
export interface TogetherOptions<Item, Reply> extends CallBounds<Item> {
  /**
   * Resolves to the replies in the order of the items. If Redis refuses a call with several items, each is
   * sent again alone, which must be harmless.
   */
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
    // `#send` never rejects: every outcome is passed on to the requests.
    for (const part of parts) void this.#send(part);
  }

  async #send(part: readonly Asked<Item, Reply>[]): Promise<void> {
    try {
      const replies = await this.#options.send(part.map(({ item }) => item));
      for (const [i, { answered }] of part.entries()) answered(replies[i]!);
    } catch (error) {
      // A refusal of one item must not affect the others, and must be its own error.
      const isRefused = error instanceof TaskweftError && error.code === "RedisRefused";
      if (isRefused && part.length > 1) await Promise.all(part.map((one) => this.#send([one])));
      else for (const { failed } of part) failed(error);
    }
  }
}
