/**
 * Decides in which shard a job lives. The id alone determines it, so that everyone who has an id finds the
 * job. Where a key decides instead (an idempotency key, or the key of a limit), an id is made that leads to
 * the same shard.
 *
 *   shard of an id   = crc32(stem of the id) mod number of shards
 *   stem of an id    = the id up to its first dot, and without `:end` or `:timeout` at its end
 *   shard of a key   = crc32(`<task> <key>`) mod number of shards
 *
 * crc32 is that of zlib, over UTF-8. The id of whatever belongs to another job or a run (a follow-up, a
 * child, a step) starts with that id and a dot, and so it lives in the same shard.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * Every process connects to every shard; with more of them the connections would cost more than they gain.
 */
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

  /** The shard of the job or run with this id. */
  ofId(id: string): number {
    return this.count === 1 ? 0 : crc32(stemOf(id)) % this.count;
  }

  /**
   * The shard of the jobs with this key: `<task> <key>`, as it is in the `keys` hash, or the name of a group.
   */
  ofKey(field: string): number {
    return this.count === 1 ? 0 : crc32(field) % this.count;
  }

  /** A new id that lives in the shard; takes `count` tries on average. */
  makeId(shard: number, next: () => string): string {
    for (;;) {
      const id = next();
      if (this.ofId(id) === shard) return id;
    }
  }

  /**
   * The id itself when it lives in the shard already, else behind a stem that leads there. Deterministic: the
   * same id for the same input.
   */
  idIn(shard: number, id: string): string {
    if (this.ofId(id) === shard) return id;
    const led = `${this.#stems[shard]}..${id}`;
    if (led.length <= MAX_ID_LENGTH) return led;
    return `${this.#stems[shard]}..${createHash("sha256").update(id).digest("hex").slice(0, 40)}`;
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
