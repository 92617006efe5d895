/**
 * Lets a retried run go on: forgets the ends of the steps that run again, and begins those whose turn it is. It does so with the job
 * that decides in hand, a part at a time; whoever gets that job after a crash makes the same plan from what is left.
 */
import type { Connection } from "../connection/index.js";
import { type RunLife, runFields, type ShardKeys, stampOfLife } from "../protocol/index.js";
import { resumeRun, type ResumeRunCall, type ResumeRunReply } from "../scripts/index.js";
import {
  fieldsOfItem,
  listenersOf,
  resume,
  type ReopenedStep,
  roundOf,
  type RunSoFar,
  stepJobId,
  undoJobId,
  undoneField,
  type WorkflowGraph,
} from "../workflow/index.js";
import type { Claim } from "./claim.js";
import type { RunFacts, RunReader } from "./run-reader.js";

/** Items of one part: neither a read nor a script may hold Redis for long. */
const ITEM_CHUNK = 200;

export interface ResumerPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly reader: RunReader;
}

type Part = Omit<ResumeRunCall, "id" | "keys" | "run" | "worker">;
const NOTHING: Part = {
  begins: [],
  dropped: [],
  isLast: false,
  keepsNotes: false,
  listeners: [],
  removed: [],
  renamed: new Map(),
  timeout: undefined,
  written: new Map(),
};

export interface Resumed {
  readonly reply: ResumeRunReply;
  /** Nothing began, because every step keeps its end: the run has to be decided again. */
  readonly isOver: boolean;
}

export class RunResumer {
  readonly #ports: ResumerPorts;

  constructor(ports: ResumerPorts) {
    this.#ports = ports;
  }

  /** @throws what Redis refuses; doing it again is harmless. */
  async resume(
    worker: string,
    claim: Claim,
    graph: WorkflowGraph,
    soFar: RunSoFar,
    facts: RunFacts,
  ): Promise<Resumed> {
    const { connection, keys, now } = this.#ports;
    const { run = "" } = claim.record.options;
    const send = async (part: Part): Promise<ResumeRunReply> =>
      await resumeRun(connection, { keys, worker, id: claim.id, run, ...part });
    const record = await this.#ports.reader.record(run, facts);
    const { reopened, stuck } = resume(graph.definition, soFar);
    for (const one of reopened) {
      for await (const part of this.#itemParts(run, one, facts)) {
        const reply = await send({ ...NOTHING, ...part });
        if (reply !== "RESUMED") return { reply, isOver: false };
      }
    }
    const begins = reopened.filter((one) => one.begins).map(({ step }) => graph.again(run, step, now()));
    // A step that needs no other has no such field, and nobody would remove it.
    const counted = reopened.filter(({ step }) => step.needs.length > 0);
    const written = new Map<string, number | string>(
      counted.map(({ step, met }) => [runFields.met(run, step.name), met]),
    );
    for (const one of reopened)
      for (const [field, count] of ofChild(run, one, soFar, facts)) written.set(field, count);
    const stamp = runFields.stamp(run);
    written.set(stamp, stampOfLife(facts.get(stamp), nextLife(record?.life, reopened)));
    const removed = [
      runFields.timeout(run),
      ...reopened.flatMap((one) => fieldsToForget(run, one)),
      ...stuck.map((step) => runFields.step(run, undoneField(step))),
    ];
    const dropped = [
      ...stuck.map((step) => undoJobId(run, step)),
      // What comes before these runs again: what their handlers noted of earlier attempts counts no longer.
      ...reopened.filter((one) => !one.begins).map(({ step }) => stepJobId(run, step.name)),
    ];
    const isOver = begins.length === 0;
    const listeners = isOver || record === undefined ? [] : listenersOf(graph.definition, run, record.input);
    // Its time counts anew.
    const timeout = isOver ? undefined : graph.timeout(run, now());
    const last = { isLast: true, removed, dropped, written, begins, timeout, listeners };
    const reply = await send({ ...NOTHING, ...last });
    return { reply, isOver };
  }

  /** Of a fan-out that was undone all items run again; of another those that failed or were cancelled. */
  async *#itemParts(
    run: string,
    { step, wasUndone }: ReopenedStep,
    facts: RunFacts,
  ): AsyncGenerator<Pick<Part, "dropped" | "removed" | "written">> {
    if (step.forEach === undefined) return;
    const total = Number(facts.get(runFields.items(run, step.name)) ?? 0);
    for (let from = 0; from < total; from += ITEM_CHUNK) {
      const indexes = Array.from({ length: Math.min(ITEM_CHUNK, total - from) }, (_unused, i) => from + i);
      const again = wasUndone ? indexes : await this.#notDone(run, step, indexes);
      if (again.length === 0) continue;
      yield {
        removed: again.flatMap((index) =>
          wasUndone ? fieldsOfItem(run, step, index) : [runFields.step(run, `${step.name}.${index}`)],
        ),
        dropped: again.map((index) => stepJobId(run, step.name, index)),
        written: new Map(
          step.child === undefined
            ? []
            : again.map((index) => [runFields.goesOn(run, `${step.name}.${index}`), 1] as const),
        ),
      };
    }
  }

  async #notDone(
    run: string,
    { name, onFailure }: ReopenedStep["step"],
    indexes: readonly number[],
  ): Promise<readonly number[]> {
    const fieldOf = (index: number): string => runFields.step(run, `${name}.${index}`);
    const facts = await this.#ports.reader.read(indexes.map(fieldOf));
    return indexes.filter((index) => {
      const letter = facts.get(fieldOf(index))?.charAt(0);
      return letter === "x" || (letter === "f" && onFailure !== "continue");
    });
  }
}

/** What was undone and runs again is another thing to other systems, and so is what undoes it then. */
function nextLife(life: RunLife | undefined, reopened: readonly ReopenedStep[]): RunLife {
  const rounds = new Map(life?.rounds);
  for (const { step, wasUndone } of reopened)
    if (wasUndone) rounds.set(step.name, (rounds.get(step.name) ?? 1) + 1);
  return { number: (life?.number ?? 1) + 1, rounds, passed: new Set() };
}

/**
 * The run of a step goes on where it failed; it is another one where the step had completed, or what comes before it runs again: then
 * its input may be another.
 */
function* ofChild(
  run: string,
  { step, begins, wasUndone }: ReopenedStep,
  { outcomes }: RunSoFar,
  facts: RunFacts,
): Generator<readonly [field: string, count: number]> {
  const hasBegun = outcomes.has(step.name) || facts.has(runFields.items(run, step.name));
  if (step.child === undefined || !hasBegun) return;
  const round = runFields.round(run, step.name);
  if (wasUndone || !begins) yield [round, roundOf(facts.get(round)) + 1];
  else if (step.forEach === undefined) yield [runFields.goesOn(run, step.name), 1];
}

function fieldsToForget(run: string, { step, wasUndone }: ReopenedStep): readonly string[] {
  const fields = [
    runFields.step(run, step.name),
    runFields.step(run, undoneField(step.name)),
    runFields.waitsUntil(run, step.name),
  ];
  if (step.forEach === undefined || !wasUndone) return fields;
  return [...fields, runFields.items(run, step.name), runFields.itemsEnded(run, step.name)];
}
