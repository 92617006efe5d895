/**
 * Reads the front of the pending lists. They contain holes: ids of cancelled or deleted jobs that stay until
 * a worker meets them. Payloads may be large and these reads are repeated, so a record is read only if
 * needed.
 */
import type { Connection } from "../connection/index.js";
import { TOMBSTONE, type ShardKeys } from "../protocol/index.js";

/**
 * Most bytes of records read per list to find its first job if the front id is a hole; one record is read
 * whatever its size.
 */
const MOST_BYTES = 65_536;

/** The ids that are not holes, in order, with the sizes of their records. */
export async function inLine(
  connection: Connection,
  keys: ShardKeys,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly bytes: number }[]> {
  if (ids.length === 0) return [];
  const [runs, ...sizes] = await connection.readTogether((reads) => {
    reads.hmget(keys.runs, ...ids);
    for (const id of ids) reads.hstrlen(keys.jobs, id);
  }, "inspect");
  return ids.flatMap((id, index) => {
    const bytes = Number(sizes[index]);
    return isHole(bytes, (runs as (string | null)[])[index]!) ? [] : [{ id, bytes }];
  });
}

/**
 * For each list, `valueOf` the first job for which it is defined, given the first ids of the list. One record
 * per list is read, and more only if that does not suffice.
 */
export async function firstInLine<Value>(
  connection: Connection,
  keys: ShardKeys,
  fronts: readonly (readonly string[])[],
  valueOf: (id: string, record: string, run: string | null) => Value | undefined,
): Promise<readonly (Value | undefined)[]> {
  const values = new Map<string, Value>();
  const look = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    const [records, runs] = (await connection.readTogether(
      (reads) => reads.hmget(keys.jobs, ...ids).hmget(keys.runs, ...ids),
      "inspect",
    )) as (string | null)[][];
    for (const [index, id] of ids.entries()) {
      const [record, run] = [records![index]!, runs![index]!];
      const value = isHole(record?.length ?? 0, run) ? undefined : valueOf(id, record, run);
      if (value !== undefined) values.set(id, value);
    }
  };
  await look(fronts.flatMap((front) => front.slice(0, 1)));
  const rests = fronts.filter((front) => !values.has(front[0] ?? "")).map((front) => front.slice(1));
  const sizes = new Map((await inLine(connection, keys, rests.flat())).map(({ id, bytes }) => [id, bytes]));
  await look(rests.flatMap((rest) => asFewAs(MOST_BYTES, rest, sizes)));
  return fronts.map((front) => values.get(front.find((id) => values.has(id)) ?? ""));
}

/** The first id with a known size, and those behind it as long as their total size is not larger. */
function asFewAs(bytes: number, ids: readonly string[], sizes: ReadonlyMap<string, number>): string[] {
  const known = ids.filter((id) => sizes.has(id));
  let sum = 0;
  return known.filter((id, index) => (sum += sizes.get(id)!) <= bytes || index === 0);
}

function isHole(bytes: number, run: string | null): boolean {
  return bytes <= TOMBSTONE.length || /^\[\d+,\d+,"[cd]/.test(run ?? "");
}
