/**
 * Who stands in the pending lists. Among the ids are holes, of jobs that were cancelled or deleted, which stay there until a worker meets
 * them. Payloads may be large, and whoever asks comes again: a record is read only where something in it is needed.
 */
import type { Connection } from "../connection/index.js";
import { TOMBSTONE, type ShardKeys } from "../protocol/index.js";

/** Bytes of records of one list that are read for its first job, where the id in front is a hole; one is read however large it is. */
const MOST_BYTES = 65_536;

/** Of these ids those that are no holes, in their order, with the sizes of their records. */
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
 * What `valueOf` says of the first job of each list of which it says something, given the first ids of each. One record is read of each, and
 * more only where that does not do.
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

/** The first of the ids whose size is known, and those behind it as long as all of them together are not larger. */
function asFewAs(bytes: number, ids: readonly string[], sizes: ReadonlyMap<string, number>): string[] {
  const known = ids.filter((id) => sizes.has(id));
  let sum = 0;
  return known.filter((id, index) => (sum += sizes.get(id)!) <= bytes || index === 0);
}

function isHole(bytes: number, run: string | null): boolean {
  return bytes <= TOMBSTONE.length || /^\[\d+,\d+,"[cd]/.test(run ?? "");
}
