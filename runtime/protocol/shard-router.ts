/**
 * Which shard a job lives in. The id alone says it, so that whoever has an id finds the job; where a key decides instead
 * (an idempotency key, or the key of a limit), the id is made so that it says the same.
 *
 *   shard of an id   = crc32(stem of the id) mod number of shards
 *   stem of an id    = the id up to its first dot, and without `:end` or `:timeout` at its end
 *   shard of a key   = crc32(`<task> <key>`) mod number of shards
 *
 * crc32 is that of zlib, over UTF-8. What is named after another job or a run (a follow-up, a child, a step) begins with its id
 * and a dot, and so lives beside it.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** More would be more connections for each process than they are worth. */
export const MAX_SHARDS = 64;
const MAX_ID_LENGTH = 128;

export class ShardRouter {
  readonly count: number;
  /** For each shard a stem that leads there. */
  readonly #stems: readonly string[];

  constructor(count: number) {
    this.count = count;
    this.#stems = Array.from({ length: count }, (_unused, shard) => firstStem(shard, count));
  }

  /** Where the job or run of this id lives. */
  ofId(id: string): number {
    return this.count === 1 ? 0 : crc32(stemOf(id)) % this.count;
  }

  /** Where the jobs of this key live: `<task> <key>`, as it stands in the hash `keys`, or the name of a group. */
  ofKey(field: string): number {
    return this.count === 1 ? 0 : crc32(field) % this.count;
  }

  /** A new id that lives in the shard: one of `count` on average. */
  makeId(shard: number, next: () => string): string {
    for (;;) {
      const id = next();
      if (this.ofId(id) === shard) return id;
    }
  }

  /** The id as it is where it lives in the shard already, else behind a stem that leads there: the same for the same id. */
  idIn(shard: number, id: string): string {
    if (this.ofId(id) === shard) return id;
    const led = `${this.#stems[shard]}.${id}`;
    if (led.length <= MAX_ID_LENGTH) return led;
    return `${this.#stems[shard]}.${createHash("sha256").update(id).digest("hex").slice(0, 40)}`;
  }
}

function stemOf(id: string): string {
  const dot = id.indexOf(".");
  if (dot >= 0) return id.slice(0, dot);
  return id.replace(/:(?:end|timeout)$/, "");
}

function firstStem(shard: number, count: number): string {
  for (let number = 0; ; number += 1) {
    const stem = `s${number}`;
    if (crc32(stem) % count === shard) return stem;
  }
}
