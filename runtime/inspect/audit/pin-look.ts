/**
 * The counts of runs that are pinned to definitions. A script that starts or forgets a run changes the count, the record and the lists of runs
 * in one move, so at each moment all definitions together count as many runs as stand in both lists: where they do, nothing more is read.
 * Only where they do not, or a definition has no count, the runs of each are counted, in pages; what is wrong in two counts, and by as much
 * as all together are, is a finding.
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
  /** How many runs more all of them count than there are. */
  readonly surplus: number;
}

/** @param fields of the definitions of which the census of runs knows. */
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
    // Others are wrong only because their runs have come and gone meanwhile.
    if (still.length > 0 && sum(still.map(pinSurplus)) === now.surplus) return looksOf(reader, still);
    before = wrong;
  }
  return [];
}

/** All together, whatever each of them counts. */
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

/** Runs of each definition, by its field; of one without runs 0. */
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

/** What the definitions say at one moment. */
async function readPins(reader: ShardReader, pinned: ReadonlyMap<string, number>): Promise<Pins> {
  const { workflows, running, ended } = reader.keys;
  const fields = [...pinned.keys()];
  const replies = await reader.together((reads) => {
    reads.zcard(running).zcard(ended);
    // Redis wants one field at least.
    reads.hmget(workflows, "", ...fields.map((field) => `${field}#`));
    // Not their texts, which may be large.
    for (const field of fields) reads.hexists(workflows, field);
  });
  const [goOn, over, [, ...counts], ...texts] = replies as [
    goOn: number,
    over: number,
    counts: (string | null)[],
    ...texts: number[],
  ];
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
