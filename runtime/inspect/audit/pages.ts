/**
 * Reads collections of any size in pages, so that Redis is never held up: each page is one short command.
 * Pages contain fewer elements if these are large.
 */
import type { ShardReader } from "../shard-reader.js";

const LARGEST_PAGE = 500;
const SMALLEST_PAGE = 10;
/** Size of a page (characters) above which the next pages get fewer elements. */
const ENOUGH = 256 * 1024;

type Scan = (cursor: string, count: number) => Promise<[cursor: string, elements: string[]]>;

/**
 * A cursor means nothing to another server, so the pages begin anew where the connection was lost. What was
 * seen before comes again then.
 */
async function* scan({ connection }: ShardReader, next: Scan): AsyncGenerator<string[]> {
  let [cursor, count, remade] = ["0", 100, connection.remade];
  for (;;) {
    const [following, elements] = await next(cursor, count);
    if (connection.remade !== remade) {
      [cursor, remade] = ["0", connection.remade];
      continue;
    }
    const size = elements.reduce((sum, text) => sum + text.length, 0);
    count = size > ENOUGH ? Math.max(SMALLEST_PAGE, count >> 1) : Math.min(LARGEST_PAGE, count << 1);
    yield elements;
    cursor = following;
    if (cursor === "0") return;
  }
}

/** Fields and values of a hash, alternating. */
export function hashPages(reader: ShardReader, key: string): AsyncGenerator<string[]> {
  return scan(reader, (cursor, count) => reader.read((redis) => redis.hscan(key, cursor, "COUNT", count)));
}

/** Members and scores of a sorted set, alternating. */
export function sortedSetPages(reader: ShardReader, key: string): AsyncGenerator<string[]> {
  return scan(reader, (cursor, count) => reader.read((redis) => redis.zscan(key, cursor, "COUNT", count)));
}

export function setPages(reader: ShardReader, key: string): AsyncGenerator<string[]> {
  return scan(reader, (cursor, count) => reader.read((redis) => redis.sscan(key, cursor, "COUNT", count)));
}

/** Names of the keys with a prefix. Scans the whole database, which other programs may share. */
export function keyPages(reader: ShardReader, start: string): AsyncGenerator<string[]> {
  return scan(reader, (cursor, count) =>
    reader.read((redis) => redis.scan(cursor, "MATCH", `${start}*`, "COUNT", count)),
  );
}

/**
 * Reads a list from its end to its front. Workers take from the front and jobs join at the end, so in this
 * direction an id that stays in the list is never missed; one that is read twice becomes a suspect.
 */
export async function* listPages(reader: ShardReader, key: string): AsyncGenerator<string[]> {
  for (let last = -1; ; last -= LARGEST_PAGE) {
    const ids = await reader.read((redis) => redis.lrange(key, last - LARGEST_PAGE + 1, last));
    if (ids.length > 0) yield ids;
    if (ids.length < LARGEST_PAGE) return;
  }
}

/** The pairs of an alternating list. */
export function* pairsOf(flat: readonly string[]): Generator<[string, string]> {
  for (let index = 0; index < flat.length; index += 2) yield [flat[index]!, flat[index + 1]!];
}
