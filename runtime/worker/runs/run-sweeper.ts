/**
 * Removes workflow runs after their retention, with the kept jobs and the child runs that belong to them: a
 * part at a time, because one fan-out may have 100,000 items. A child run stays as long as its parent.
 */
import type { Connection } from "../../connection/index.js";
import { TaskweftError } from "../../errors.js";
import type { WorkflowStep } from "../../definition/index.js";
import {
  parseRunEnd,
  parseRunParent,
  parseRunRecord,
  runFields,
  type ShardKeys,
} from "../../protocol/index.js";
import { forgetRuns, keepRun, partsOf, type RunPart } from "../../scripts/index.js";
import {
  childRunId,
  fieldsOfItem,
  fieldsOfStep,
  itemsBefore,
  roundOf,
  stepJobId,
  undoJobId,
  type WorkflowGraph,
} from "../../workflow/index.js";
import type { RunFacts, RunReader } from "./run-reader.js";

/** Most runs of one sweep. */
const RUNS = 250;
/** Most fields, and most jobs, of one call. */
const BATCH = 500;
const BOUNDS = {
  mostItems: BATCH,
  sizeOf: ({ fields, jobs }: RunPart): number => fields.length + jobs.length,
  mostSize: BATCH,
} as const;
/** Time between two checks of a child run whose own retention has ended, but not that of its parent (ms). */
const STAY_MS = 3_600_000;

export class RunSweeper {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  readonly #reader: RunReader;
  readonly #now: () => number;

  /**
   * @param now Redis time (ms). With a clock that is ahead, the sweeper would always find runs that the
   * script does not remove yet.
   */
  constructor(connection: Connection, keys: ShardKeys, reader: RunReader, now: () => number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#reader = reader;
    this.#now = now;
  }

  /** True when there may be more. */
  async sweep(): Promise<boolean> {
    const runs = await this.#connection.expiredRuns(this.#keys, RUNS, this.#now());
    const facts = await this.#reader.read(runs.flatMap((run) => [run, runFields.parent(run)]));
    const parts: RunPart[] = [];
    for (const run of runs) {
      if (!(await this.#stays(run, facts))) parts.push(await this.#lastPart(run, run, facts));
    }
    await this.#forget(parts);
    return runs.length === RUNS;
  }

  async #stays(run: string, facts: RunFacts): Promise<boolean> {
    const parent = parseRunParent(facts.get(runFields.parent(run)));
    if (parent === undefined) return false;
    const call = { keys: this.#keys, run, parent: parent.run, keepMs: STAY_MS };
    return (await keepRun(this.#connection, call)) === "KEPT";
  }

  /**
   * Removes what does not fit into one part, and returns the last part.
   * @param owner the run whose retention has ended: this run, or an ancestor of it.
   */
  async #lastPart(run: string, owner: string, facts: RunFacts): Promise<RunPart> {
    const graph = await this.#graphOf(facts.get(run));
    const fields = [
      run,
      ...[runFields.stamp, runFields.state, runFields.open, runFields.timeout, runFields.parent].map((of) =>
        of(run),
      ),
    ];
    const jobs: string[] = [];
    for (const step of graph?.definition.steps ?? []) {
      const { name, forEach, compensate } = step;
      // Children first: after a crash they are found again through the record of this run.
      if (step.child !== undefined) await this.#forgetChildren(run, step, owner);
      fields.push(...fieldsOfStep(run, step));
      jobs.push(stepJobId(run, name));
      if (compensate !== undefined) jobs.push(undoJobId(run, name));
      if (forEach !== undefined) await this.#forgetItems(run, step, owner);
    }
    if (fields.length + jobs.length > BATCH)
      await this.#remove(run, owner, fields.splice(BATCH), jobs.splice(0));
    return { run, isLast: true, owner, fields, jobs };
  }

  async #forget(parts: readonly RunPart[]): Promise<void> {
    for (const some of partsOf(parts, BOUNDS)) {
      await forgetRuns(this.#connection, { keys: this.#keys, parts: some });
    }
  }

  async #forgetChildren(run: string, { name, forEach }: WorkflowStep, owner: string): Promise<void> {
    const [round, items] = [runFields.round(run, name), runFields.items(run, name)];
    const facts = await this.#reader.read([round, items]);
    const most = Math.max(Number(facts.get(items) ?? 0), itemsBefore(facts.get(round)));
    const places = forEach === undefined ? [undefined] : indexesOf(most);
    for (let number = 1; number <= roundOf(facts.get(round)); number++) {
      for (let from = 0; from < places.length; from += BATCH) {
        const ids = places.slice(from, from + BATCH).map((place) => childRunId(run, name, number, place));
        const found = await this.#reader.read(ids.map(runFields.state));
        const ended = ids.filter((id) => parseRunEnd(found.get(runFields.state(id)) ?? null) !== undefined);
        const facts = await this.#reader.read(ended);
        for (const id of ended) await this.#forget([await this.#lastPart(id, owner, facts)]);
      }
    }
  }

  /** `undefined` when the definition cannot be read: then only the fields that every run has can be found. */
  async #graphOf(record: string | undefined): Promise<WorkflowGraph | undefined> {
    if (record === undefined) return undefined;
    try {
      const { workflow, hash } = parseRunRecord(record);
      return await this.#reader.graph(`${workflow} ${hash}`);
    } catch (error) {
      // One corrupt run must not keep the others from being removed.
      if (error instanceof TaskweftError) throw error;
      return undefined;
    }
  }

  async #forgetItems(run: string, step: WorkflowStep, owner: string): Promise<void> {
    const field = runFields.items(run, step.name);
    const total = Number((await this.#reader.read([field])).get(field) ?? 0);
    const indexes = indexesOf(total);
    const fields = indexes.flatMap((index) => fieldsOfItem(run, step, index));
    await this.#remove(
      run,
      owner,
      fields,
      indexes.map((index) => stepJobId(run, step.name, index)),
    );
  }

  async #remove(
    run: string,
    owner: string,
    fields: readonly string[],
    jobs: readonly string[],
  ): Promise<void> {
    for (let from = 0; from < Math.max(fields.length, jobs.length); from += BATCH) {
      const [some, theirs] = [fields.slice(from, from + BATCH), jobs.slice(from, from + BATCH)];
      await this.#forget([{ run, isLast: false, owner, fields: some, jobs: theirs }]);
    }
  }
}

function indexesOf(total: number): readonly number[] {
  return Array.from({ length: total }, (_unused, index) => index);
}
