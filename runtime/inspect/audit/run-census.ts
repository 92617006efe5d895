/**
 * The first look at workflow runs: a few numbers per run, gathered page by page while the runs go on. A run
 * that is not clearly sound is a suspect. The census may suspect too much, never too little.
 */
import { parseRunParent } from "../../protocol/index.js";
import { stepJobId, timeoutJobId, undoJobId, undoneField } from "../../workflow/index.js";
import type { ShardReader } from "../shard-reader.js";
import { definitionFacts, definitionOf, hasEnded } from "./facts.js";
import { hashPages, pairsOf, sortedSetPages } from "./pages.js";
import { listenerId } from "./rules/index.js";

/** Runs whose records are tested in one call. */
const AT_ONCE = 200;

/** What was seen of a run. */
interface Seen {
  /** Field of its definition; `""` if no readable record was seen. */
  definition: string;
  hasEnded: boolean;
  /** Whether it has a state: it is ending, has ended, or is being retried. */
  isHeld: boolean;
  open: number;
  /** Jobs under way, except the timeout job and jobs whose step has ended. */
  jobs: number;
  /** Number of `listeners` members that name it. */
  listens: number;
  isRunning: boolean;
  isEnded: boolean;
  /** A field beside its record; `""` for none. */
  field: string;
  /** For a child run: the job of the parent's step; otherwise `""`. */
  waiter: string;
}

export interface RunSuspect {
  /** Fields that begin with its id, if it has no record. */
  readonly fields: readonly string[];
  /** Members of `listeners` that name it. */
  readonly listeners: readonly string[];
  /** It has ended, but the job that waits for it has not. */
  readonly isAwaited: boolean;
}

export interface RunCensus {
  readonly suspects: ReadonlyMap<string, RunSuspect>;
  /** Fields of all definitions that are stored or named by runs. */
  readonly definitions: ReadonlySet<string>;
}

/** @param jobs Unfinished jobs that the census of jobs has seen, with their runs. */
export async function suspectRuns(
  reader: ShardReader,
  jobs: ReadonlyMap<string, string>,
): Promise<RunCensus> {
  const { seen, definitions, waitedFor } = await readRuns(reader, jobs);
  const isAwaited = (run: string): boolean => {
    const { hasEnded: isOver = false, waiter = "" } = seen.get(run) ?? {};
    return isOver && waitedFor.has(waiter);
  };
  const suspects = new Map<string, RunSuspect & { fields: string[]; listeners: string[] }>();
  const suspect = (run: string): { fields: string[]; listeners: string[] } => {
    const known = suspects.get(run) ?? { fields: [], listeners: [], isAwaited: isAwaited(run) };
    suspects.set(run, known);
    return known;
  };
  const unrecorded: (readonly [run: string, field: string])[] = [];
  for (const [run, facts] of seen) {
    if (facts.definition === "" && facts.field !== "") unrecorded.push([run, facts.field]);
  }
  for await (const page of sortedSetPages(reader, reader.keys.listeners)) {
    for (const [member] of pairsOf(page)) {
      const run = listeningRun(member);
      const facts = run === undefined ? undefined : seen.get(run);
      const goesOn = facts !== undefined && facts.definition !== "" && !facts.hasEnded;
      if (goesOn) facts.listens += 1;
      else if (run !== undefined) suspect(run).listeners.push(member);
    }
  }
  for (const [run, facts] of seen) {
    const isTimed = waitedFor.has(timeoutJobId(run));
    if (!isSound(facts, definitions.get(facts.definition), isTimed) || isAwaited(run)) suspect(run);
  }
  // Read again only now that it is known whose fields matter; such runs are rare.
  const strays = await withoutRecord(reader, unrecorded);
  for await (const page of strays.size === 0 ? [] : hashPages(reader, reader.keys.workflows)) {
    for (const [field] of pairsOf(page)) {
      const run = runOf(field);
      if (strays.has(run) && field !== run) suspect(run).fields.push(field);
    }
  }
  const named = [...seen.values()].map(({ definition }) => definition).filter((field) => field !== "");
  return { suspects, definitions: new Set([...named, ...[...definitions.keys()].map(baseOf)]) };
}

/** The field of the definition to which a field or its counter belongs. */
function baseOf(field: string): string {
  return field.replace(/#$/, "");
}

/**
 * Checks again the runs of which a field but no record was seen: the record may have come or gone meanwhile.
 */
async function withoutRecord(
  reader: ShardReader,
  unrecorded: readonly (readonly [run: string, field: string])[],
): Promise<ReadonlySet<string>> {
  const { workflows } = reader.keys;
  const strays = new Set<string>();
  for (let from = 0; from < unrecorded.length; from += AT_ONCE) {
    const some = unrecorded.slice(from, from + AT_ONCE);
    const exists = await reader.together<number>((reads) => {
      for (const pair of some) for (const field of pair) reads.hexists(workflows, field);
    });
    for (const [index, [run]] of some.entries())
      if (exists[2 * index] === 0 && exists[2 * index + 1] === 1) strays.add(run);
  }
  return strays;
}

async function readRuns(
  reader: ShardReader,
  jobs: ReadonlyMap<string, string>,
): Promise<{
  readonly seen: ReadonlyMap<string, Seen>;
  readonly definitions: ReadonlyMap<string, Kept>;
  /** The jobs, except those whose step has ended: a worker may be about to end them. */
  readonly waitedFor: ReadonlyMap<string, string>;
}> {
  const { workflows, running, ended } = reader.keys;
  const seen = new Map<string, Seen>();
  const definitions = new Map<string, Kept>();
  // Shares one string among all runs of a definition.
  const names = new Map<string, string>();
  const waitedFor = new Map(jobs);
  for await (const page of hashPages(reader, workflows)) {
    for (const [field, text] of pairsOf(page)) {
      if (field.startsWith("@")) definitions.set(field, keptOf(text));
      else note(seenOf(seen, runOf(field)), field, text, names);
      waitedFor.delete(endedJob(field));
    }
  }
  for (const [id, run] of waitedFor) {
    const facts = seen.get(run);
    if (facts !== undefined && id !== timeoutJobId(run)) facts.jobs += 1;
  }
  for await (const page of sortedSetPages(reader, running)) {
    for (const [run] of pairsOf(page)) seenOf(seen, run).isRunning = true;
  }
  for await (const page of sortedSetPages(reader, ended)) {
    for (const [run] of pairsOf(page)) seenOf(seen, run).isEnded = true;
  }
  return { seen, definitions, waitedFor };
}

function seenOf(seen: Map<string, Seen>, run: string): Seen {
  let facts = seen.get(run);
  if (facts === undefined) {
    const not = { hasEnded: false, isHeld: false, isRunning: false, isEnded: false };
    facts = { definition: "", open: 0, jobs: 0, listens: 0, field: "", waiter: "", ...not };
    seen.set(run, facts);
  }
  return facts;
}

function note(facts: Seen, field: string, text: string, names: Map<string, string>): void {
  const space = field.indexOf(" ");
  const kind = space < 0 ? "" : field.slice(space + 1);
  if (kind === "") {
    const name = definitionOf(text) ?? "";
    facts.definition = names.get(name) ?? name;
    names.set(name, facts.definition);
    return;
  }
  facts.field = field;
  if (kind === ":open") facts.open = Number(text);
  else if (kind === ":state") [facts.isHeld, facts.hasEnded] = [true, hasEnded(text)];
  else if (kind === ":parent") facts.waiter = waiterIn(text);
}

function waiterIn(text: string): string {
  const { run = "", step = "", item } = parseRunParent(text) ?? {};
  return stepJobId(run, step, item);
}

/** What each run of a definition has from its start to its end. */
interface Kept {
  readonly timeout: boolean;
  readonly listeners: number;
}

function keptOf(text: string): Kept {
  const { timeoutMs, steps = [] } = definitionFacts(text) ?? {};
  return {
    timeout: timeoutMs !== undefined,
    listeners: steps.filter(({ waitFor }) => waitFor !== undefined).length,
  };
}

/** Steps that have ended need not listen, so runs with such steps may be suspected wrongly. */
function isSound(facts: Seen, kept: Kept | undefined, isTimed: boolean): boolean {
  const { definition, hasEnded: isOver, isHeld, open, jobs, listens, isRunning, isEnded } = facts;
  if (definition === "" || isRunning === isOver || isEnded !== isOver) return false;
  if (isOver) return open === 0;
  if (kept === undefined || !(open >= 1 && open === jobs)) return false;
  return isHeld || ((isTimed || !kept.timeout) && listens >= kept.listeners);
}

/** The job whose end the field records, if it records one. */
function endedJob(field: string): string {
  const space = field.indexOf(" ");
  const [run, name] = [field.slice(0, space), field.slice(space + 1)];
  const isUndone = name.endsWith(undoneField(""));
  return isUndone ? undoJobId(run, name.slice(0, -undoneField("").length)) : stepJobId(run, name);
}

function runOf(field: string): string {
  const space = field.indexOf(" ");
  return space < 0 ? field : field.slice(0, space);
}

/** `undefined` for a handler. */
export function listeningRun(member: string): string | undefined {
  if (listenerId(member) !== undefined) return undefined;
  return (member.split("\n").at(-1) ?? "").split(" ")[1] ?? "";
}
