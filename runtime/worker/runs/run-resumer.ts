/**
 * Lets a retried run go on: forgets the outcomes of the steps that run again, and starts those that are
 * ready. It works a part at a time while it holds the deciding job; after a crash, the worker that gets this
 * job makes the same plan from what is left.
 */
import type { Connection } from "../../connection/index.js";
import type { WorkflowStep } from "../../definition/index.js";
import { TaskweftError } from "../../errors.js";
import {
  type RunLife,
  type RunRecord,
  runFields,
  type ShardKeys,
  stampOfLife,
} from "../../protocol/index.js";
import { resumeRun, type ResumeRunCall, type ResumeRunReply } from "../../scripts/index.js";
import {
  evaluate,
  fieldsOfItem,
  itemsBefore,
  type KeptStep,
  listenersOf,
  queuesOf,
  resume,
  type Resumption,
  type ReopenedStep,
  roundOf,
  type RunSoFar,
  stepJobId,
  undoJobId,
  undoneField,
  type WorkflowGraph,
} from "../../workflow/index.js";
import type { Claim } from "../claims/claim.js";
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

type Part = Omit<ResumeRunCall, "id" | "keys" | "queues" | "run" | "worker">;
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
  /** Nothing was started, because every step keeps its outcome: the run must be decided again. */
  readonly isOver: boolean;
}

export class RunResumer {
  readonly #ports: ResumerPorts;

  constructor(ports: ResumerPorts) {
    this.#ports = ports;
  }

  /** @throws what Redis refuses; repeating the call is harmless. */
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
      await resumeRun(connection, {
        keys,
        worker,
        id: claim.id,
        run,
        queues: queuesOf(graph.definition),
        ...part,
      });
    const record = await this.#ports.reader.record(run, facts);
    if (record === undefined) return { reply: "MOVED", isOver: false };
    const plan = resume(graph.definition, soFar);
    const { reopened, kept } = plan;
    // Written first, while everything that these payloads are computed from is still stored.
    const written = await this.#undoings(run, graph, record, plan, facts);
    const replied = written.size === 0 ? "RESUMED" : await send({ ...NOTHING, written });
    if (replied !== "RESUMED") return { reply: replied, isOver: false };
    for (const one of reopened) {
      for await (const part of this.#itemParts(run, one, facts)) {
        const reply = await send({ ...NOTHING, ...part });
        if (reply !== "RESUMED") return { reply, isOver: false };
      }
    }
    const begins = reopened.filter((one) => one.begins).map(({ step }) => graph.again(run, step, now()));
    const isOver = begins.length === 0;
    const stuck = kept.filter(({ isStuck }) => isStuck).map(({ step }) => step.name);
    const reply = await send({
      isLast: true,
      keepsNotes: false,
      removed: [
        runFields.timeout(run),
        ...reopened.flatMap((one) => fieldsToForget(run, one)),
        ...stuck.map((step) => runFields.step(run, undoneField(step))),
      ],
      renamed: renamedEnds(run, kept, record),
      dropped: [...stuck.map((step) => undoJobId(run, step)), ...jobsToForget(run, plan)],
      written: fieldsToWrite(run, plan, record, soFar, facts),
      begins,
      // The timeout of the run starts again.
      timeout: isOver ? undefined : graph.timeout(run, now()),
      listeners: isOver ? [] : listenersOf(graph.definition, run, record.input),
    });
    return { reply, isOver };
  }

  /**
   * The compensation payloads of steps that keep their outcomes although a step before them runs again. They
   * are computed from the results that the steps used, while these are still stored.
   */
  async #undoings(
    run: string,
    graph: WorkflowGraph,
    { input }: RunRecord,
    { kept }: Resumption,
    facts: RunFacts,
  ): Promise<ReadonlyMap<string, string>> {
    const { reader } = this.#ports;
    const fieldOf = (step: WorkflowStep): string => runFields.kept(run, undoneField(step.name));
    const steps = kept
      .filter((one) => one.isAnew && one.step.compensate !== undefined)
      .map(({ step }) => step);
    const known = steps.length === 0 ? new Map<string, string>() : await reader.read(steps.map(fieldOf));
    const payloads = new Map<string, string>();
    for (const step of steps) {
      if (known.has(fieldOf(step))) continue;
      try {
        const scope = await reader.scopeOf(graph, run, graph.traits(step).undoReads, facts);
        const payload = evaluate(step.compensate!.payload, { input, run: { id: run }, steps: scope });
        payloads.set(fieldOf(step), JSON.stringify(payload ?? null));
      } catch (error) {
        if (error instanceof TaskweftError) throw error;
        // The job that undoes the step reports the error.
      }
    }
    return payloads;
  }

  /** When a fan-out was undone, all of its items run again; otherwise those that failed or were cancelled. */
  async *#itemParts(
    run: string,
    { step, isAnew, wasUndone }: ReopenedStep,
    facts: RunFacts,
  ): AsyncGenerator<Pick<Part, "dropped" | "keepsNotes" | "removed" | "written">> {
    if (step.forEach === undefined) return;
    const total = Number(facts.get(runFields.items(run, step.name)) ?? 0);
    for (let from = 0; from < total; from += ITEM_CHUNK) {
      const indexes = Array.from({ length: Math.min(ITEM_CHUNK, total - from) }, (_unused, i) => from + i);
      const again = wasUndone ? indexes : await this.#notDone(run, step, indexes, isAnew);
      if (again.length === 0) continue;
      yield {
        removed: again.flatMap((index) =>
          wasUndone ? fieldsOfItem(run, step, index) : [runFields.step(run, `${step.name}.${index}`)],
        ),
        dropped: again.map((index) => stepJobId(run, step.name, index)),
        keepsNotes: !wasUndone && !isAnew,
        written: new Map(
          step.child === undefined || wasUndone || isAnew
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
    isAnew: boolean,
  ): Promise<readonly number[]> {
    const fieldOf = (index: number): string => runFields.step(run, `${name}.${index}`);
    const facts = await this.#ports.reader.read(indexes.map(fieldOf));
    return indexes.filter((index) => {
      const letter = facts.get(fieldOf(index))?.charAt(0);
      // An item that has not ended may have stored steps in an earlier life.
      if (letter === undefined) return isAnew;
      return letter === "x" || (letter === "f" && onFailure !== "continue");
    });
  }
}

/** Towards other systems, a step that was undone and runs again is a new one, and so is its compensation. */
function nextLife(life: RunLife | undefined, { reopened, kept }: Resumption): RunLife {
  const rounds = new Map(life?.rounds);
  for (const { step, wasUndone } of reopened)
    if (wasUndone) rounds.set(step.name, (rounds.get(step.name) ?? 1) + 1);
  const passed = new Set(kept.filter(({ waits }) => waits).map(({ step }) => step.name));
  return { number: (life?.number ?? 1) + 1, rounds, passed };
}

function fieldsToWrite(
  run: string,
  plan: Resumption,
  { life }: RunRecord,
  soFar: RunSoFar,
  facts: RunFacts,
): Map<string, number | string> {
  const fields = new Map<string, number | string>();
  const stamp = runFields.stamp(run);
  fields.set(stamp, stampOfLife(facts.get(stamp), nextLife(life, plan)));
  // A step without `needs` has no counter field; writing one would leave it behind for ever.
  for (const { step, met } of [...plan.reopened, ...plan.kept])
    if (step.needs.length > 0) fields.set(runFields.met(run, step.name), met);
  for (const one of plan.reopened)
    for (const [field, count] of ofChild(run, one, soFar, facts)) fields.set(field, count);
  return fields;
}

function jobsToForget(run: string, { reopened, kept }: Resumption): readonly string[] {
  const steps = [
    // A step before these runs again, so what their handlers stored in earlier attempts is outdated.
    ...reopened.filter((one) => one.isAnew),
    // The job of a failed step may still be stored, but the step ends with another job when its outcome is
    // passed on.
    ...kept.filter((one) => one.waits),
  ];
  return steps.map(({ step }) => stepJobId(run, step.name));
}

/**
 * Outcomes that wait for steps before them are put aside. Those that were put aside in an earlier life and
 * need not wait any more are put back.
 */
function renamedEnds(run: string, kept: readonly KeptStep[], { life }: RunRecord): Map<string, string> {
  const renamed = new Map<string, string>();
  for (const { step, waits } of kept) {
    const [own, aside] = [runFields.step(run, step.name), runFields.kept(run, step.name)];
    if (waits) renamed.set(own, aside);
    else if (life?.passed.has(step.name) === true) renamed.set(aside, own);
  }
  return renamed;
}

/**
 * The child run of a step is retried from where it failed. When the step had completed, or a step before it
 * runs again, a new child run is started, because its input may be different.
 */
function* ofChild(
  run: string,
  { step, isAnew, wasUndone }: ReopenedStep,
  { outcomes }: RunSoFar,
  facts: RunFacts,
): Generator<readonly [field: string, value: number | string]> {
  const items = facts.get(runFields.items(run, step.name));
  if (step.child === undefined || (items === undefined && !outcomes.has(step.name))) return;
  const round = runFields.round(run, step.name);
  const next = roundOf(facts.get(round)) + 1;
  // The runs of earlier rounds are removed with this run, however many items its list has by then.
  const most = Math.max(itemsBefore(facts.get(round)), Number(items ?? 0));
  if (wasUndone || isAnew) yield [round, most === 0 ? next : `${next} ${most}`];
  else if (step.forEach === undefined) yield [runFields.goesOn(run, step.name), 1];
}

function fieldsToForget(run: string, { step, wasUndone }: ReopenedStep): readonly string[] {
  const fields = [
    runFields.step(run, step.name),
    runFields.step(run, undoneField(step.name)),
    runFields.waitsUntil(run, step.name),
    runFields.kept(run, step.name),
    runFields.kept(run, undoneField(step.name)),
  ];
  if (step.forEach === undefined || !wasUndone) return fields;
  return [...fields, runFields.items(run, step.name), runFields.itemsEnded(run, step.name)];
}
