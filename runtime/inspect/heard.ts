/**
 * Events that jobs have received while their handlers waited: like payloads, they contain sensitive values
 * that may appear in errors and logs.
 */
import { parseSteps, parseWaits, waitsField } from "../protocol/index.js";
import type { ShardReader } from "./shard-reader.js";
import type { Redactor } from "./types.js";

/**
 * Sensitive values of the events that a job has received; `undefined` if it is unknown which values are
 * sensitive.
 */
export type HeardSecrets = readonly string[] | undefined;

export function heardSecrets(
  waits: string | null | undefined,
  steps: ReadonlyMap<string, unknown>,
  redactor: Redactor | undefined,
): HeardSecrets {
  if (redactor === undefined) return [];
  const found: string[] = [];
  for (const { event, name } of parseWaits(waits).heard) {
    const shown = redactor.redact(event, "event", steps.get(name));
    if (shown === undefined) return undefined;
    found.push(...shown.secrets);
  }
  return found;
}

export function bothSecrets(some: HeardSecrets, others: HeardSecrets): HeardSecrets {
  return some === undefined || others === undefined ? undefined : [...some, ...others];
}

/** Like `readHeardSecrets` for one job; the result contains only jobs that have received an event. */
export async function readHeardSecrets(
  reader: ShardReader,
  ids: readonly string[],
  redactor: Redactor | undefined,
): Promise<ReadonlyMap<string, HeardSecrets>> {
  if (redactor === undefined || ids.length === 0) return new Map();
  const { notes } = reader.keys;
  const waits = await reader.read((redis) => redis.hmget(notes, ...ids.map(waitsField)));
  const some = ids.flatMap((id, index) => {
    const text = waits[index] ?? null;
    return parseWaits(text).heard.length === 0 ? [] : [{ id, text }];
  });
  if (some.length === 0) return new Map();
  const steps = await reader.read((redis) => redis.hmget(notes, ...some.map(({ id }) => id)));
  return new Map(
    some.map(({ id, text }, index) => [id, heardSecrets(text, parseSteps(steps[index] ?? null), redactor)]),
  );
}
