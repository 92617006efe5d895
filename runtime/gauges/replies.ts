/** Helpers of the gauge readers. */
import type { Connection } from "../connection/index.js";

export type Redis = Connection["redis"];

const QUEUE_FIELD = "queue:";

/** The queue names among the fields of `meta`. */
export function declaredQueues(fields: readonly string[]): readonly string[] {
  return fields
    .filter((field) => field.startsWith(QUEUE_FIELD))
    .map((field) => field.slice(QUEUE_FIELD.length));
}

/** @throws the first error among the replies. */
export async function replies(pipeline: {
  exec(): Promise<[Error | null, unknown][] | null>;
}): Promise<unknown[]> {
  const all = (await pipeline.exec()) ?? [];
  return all.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
