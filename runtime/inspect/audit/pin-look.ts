/**
 * Checks how many runs each definition counts as pinned to it. A script that starts or removes a run changes
 * the count, the record and the lists of runs atomically, so at any moment the counts of all definitions add
 * up to the length of both lists; if they do, nothing more is read. Otherwise, or if a definition has no
 * count, the runs of each definition are counted in pages. A finding is what is wrong in two counts and
 * explains the whole difference.
 */
import { repin } from "../../scripts/index.js";
import type { ShardReader } from "../shard-reader.js";
import { definitionOf } from "./facts.js";
import type { AuditFinding, RepairOutcome } from "./finding.js";
import { hashPages, pairsOf } from "./pages.js";
import { isPinnedRight, pinCount, type PinFacts, pinFindings, pinSurplus } from "./rules/index.js";

const COUNTS = 4;

export interface PinLook {
  readonly finding: AuditFinding;
  readonly repair: () => Promise<RepairOutcome>;
}

interface Pins {
  readonly facts: readonly PinFacts[];
  /** Sum of all counts, minus the number of runs. */
  readonly surplus: number;
}

/** @param fields of the definitions that the census of runs has seen. */
export async function lookAtPins(
  reader: ShardReader,
  fields: ReadonlySet<string>,
): Promise<readonly PinLook[]> {
  let now = await readPins(reader, new Map([...fields].map((field) => [field, 0])));
  let before: readonly PinFacts[] = [];
  for (let look = 0; look < COUNTS && !areSound(now); look++) {
    now = await readPins(reader, await countPins(reader));
    const seen = new Set(before.map(textOf));
    const wrong = now.facts.filter((one) => !isPinnedRight(one));
    const still = wrong.filter((one) => seen.has(textOf(one)));
    // The other differences come from runs that started or ended meanwhile.
    if (still.length > 0 && sum(still.map(pinSurplus)) === now.surplus) return looksOf(reader, still);
    before = wrong;
  }
  return [];
}

/** Checks only the sum and that each definition has a count. */
function areSound({ surplus, facts }: Pins): boolean {
  return surplus === 0 && facts.every(({ count, hasText }) => !hasText || pinCount(count) >= 1);
}

function looksOf(reader: ShardReader, wrong: readonly PinFacts[]): readonly PinLook[] {
  const { connection, keys } = reader;
  return wrong.flatMap((seen) => {
    const repair = async () =>
      (await repin(connection, { keys, ...seen })) === "REPAIRED" ? ("repaired" as const) : "moved";
    return pinFindings(seen).map((finding) => ({ finding, repair }));
  });
}

/** Number of runs by the field of their definition; 0 for a definition without runs. */
async function countPins(reader: ShardReader): Promise<ReadonlyMap<string, number>> {
  const pinned = new Map<string, Set<string>>();
  for await (const page of hashPages(reader, reader.keys.workflows)) {
    for (const [field, text] of pairsOf(page)) {
      const isDefinition = field.startsWith("@");
      if (!isDefinition && field.includes(" ")) continue;
      const definition = isDefinition ? field.replace(/#$/, "") : definitionOf(text);
      if (definition === undefined) continue;
      const runs = pinned.get(definition) ?? new Set();
      pinned.set(definition, isDefinition ? runs : runs.add(field));
    }
  }
  return new Map([...pinned].map(([field, runs]) => [field, runs.size]));
}

/** The counts of the definitions at one moment. */
async function readPins(reader: ShardReader, pinned: ReadonlyMap<string, number>): Promise<Pins> {
  const { workflows, running, ended } = reader.keys;
  const fields = [...pinned.keys()];
  const replies = await reader.together((reads) => {
    reads.zcard(running).zcard(ended);
    // One command each: a script passes at most some 8,000 values to one, and definitions pile up with deploys.
    for (const field of fields) reads.hget(workflows, `${field}#`);
    // Not their texts, which may be large.
    for (const field of fields) reads.hexists(workflows, field);
  });
  const [goOn, over] = replies as [goOn: number, over: number];
  const counts = replies.slice(2, 2 + fields.length) as (string | null)[];
  const texts = replies.slice(2 + fields.length) as number[];
  const facts = fields.map((field, index) => ({
    field,
    hasText: texts[index] === 1,
    count: counts[index] ?? undefined,
    pinned: pinned.get(field) ?? 0,
  }));
  return { surplus: sum(counts.map(pinCount)) - goOn - over, facts };
}

function textOf(facts: PinFacts): string {
  return JSON.stringify(facts);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
