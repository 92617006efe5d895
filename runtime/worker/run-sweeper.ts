/**
 * Removes workflow runs after their retention, with what is kept of their jobs and the runs that were their steps: a part at a time, for
 * one fan-out may have 100,000 items. A run that is a step stays as long as the one that it belongs to.
 */
import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import type { WorkflowStep } from "../definition/index.js";
import { parseRunEnd, parseRunParent, parseRunRecord, runFields, type ShardKeys } from "../protocol/index.js";
import { forgetRun, keepRun } from "../scripts/index.js";
import {
  childRunId,
  fieldsOfItem,
  fieldsOfStep,
  roundOf,
  stepJobId,
  undoJobId,
  type WorkflowGraph,
} from "../workflow/index.js";
import type { RunReader } from "./run-reader.js";

/** Runs of one look. */
const RUNS = 100;
/** Fields, and jobs, of one call. */
const BATCH = 500;
/** Between two looks at a run whose own retention has ended, and that stays with its parent (ms). */
const STAY_MS = 3_600_000;

export class RunSweeper {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  readonly #reader: RunReader;

  constructor(connection: Connection, keys: ShardKeys, reader: RunReader) {
    this.#connection = connection;
    this.#keys = keys;
    this.#reader = reader;
  }

  /** True when there may be more. */
  async sweep(): Promise<boolean> {
    const runs = await this.#connection.expiredRuns(this.#keys, RUNS);
    for (const run of runs) if (!(await this.#stays(run))) await this.#forget(run, run);
    return runs.length === RUNS;
  }

  async #stays(run: string): Promise<boolean> {
    const field = runFields.parent(run);
    const parent = parseRunParent((await this.#reader.read([field])).get(field));
    if (parent === undefined) return false;
    const call = { keys: this.#keys, run, parent: parent.run, keepMs: STAY_MS };
    return (await keepRun(this.#connection, call)) === "KEPT";
  }

  /** `owner`: the run whose retention has ended, which is this one or one that it is a step of. */
  async #forget(run: string, owner: string): Promise<void> {
    const graph = await this.#graphOf(run);
    const fields = [
      run,
      ...[runFields.stamp, runFields.state, runFields.open, runFields.timeout, runFields.parent].map((of) =>
        of(run),
      ),
    ];
    const jobs: string[] = [];
    for (const step of graph?.definition.steps ?? []) {
      const { name, forEach } = step;
      // First: whoever comes here again after a crash finds them by what this run says.
      if (step.child !== undefined) await this.#forgetChildren(run, step, owner);
      fields.push(...fieldsOfStep(run, name));
      jobs.push(stepJobId(run, name), undoJobId(run, name));
      if (forEach !== undefined) await this.#forgetItems(run, name, owner);
    }
    await this.#remove(run, owner, fields.splice(BATCH), jobs);
    await forgetRun(this.#connection, { keys: this.#keys, run, isLast: true, owner, fields, jobs: [] });
  }

  async #forgetChildren(run: string, { name, forEach }: WorkflowStep, owner: string): Promise<void> {
    const [round, items] = [runFields.round(run, name), runFields.items(run, name)];
    const facts = await this.#reader.read([round, items]);
    const places = forEach === undefined ? [undefined] : indexesOf(Number(facts.get(items) ?? 0));
    for (let number = 1; number <= roundOf(facts.get(round)); number++) {
      for (let from = 0; from < places.length; from += BATCH) {
        const ids = places.slice(from, from + BATCH).map((place) => childRunId(run, name, number, place));
        const found = await this.#reader.read(ids.map(runFields.state));
        const ended = ids.filter((id) => parseRunEnd(found.get(runFields.state(id)) ?? null) !== undefined);
        for (const id of ended) await this.#forget(id, owner);
      }
    }
  }

  /** `undefined` where it cannot be read: then only what every run has can be found. */
  async #graphOf(run: string): Promise<WorkflowGraph | undefined> {
    try {
      const text = (await this.#reader.read([run])).get(run);
      if (text === undefined) return undefined;
      const { workflow, hash } = parseRunRecord(text);
      return await this.#reader.graph(`${workflow} ${hash}`);
    } catch (error) {
      // One run must not keep the others from being removed.
      if (error instanceof TaskweftError) throw error;
      return undefined;
    }
  }

  async #forgetItems(run: string, step: string, owner: string): Promise<void> {
    const field = runFields.items(run, step);
    const total = Number((await this.#reader.read([field])).get(field) ?? 0);
    const indexes = indexesOf(total);
    const fields = indexes.flatMap((index) => fieldsOfItem(run, step, index));
    await this.#remove(
      run,
      owner,
      fields,
      indexes.map((index) => stepJobId(run, step, index)),
    );
  }

  async #remove(
    run: string,
    owner: string,
    fields: readonly string[],
    jobs: readonly string[],
  ): Promise<void> {
    for (let from = 0; from < Math.max(fields.length, jobs.length); from += BATCH) {
      await forgetRun(this.#connection, {
        keys: this.#keys,
        run,
        isLast: false,
        owner,
        fields: fields.slice(from, from + BATCH),
        jobs: jobs.slice(from, from + BATCH),
      });
    }
  }
}

function indexesOf(total: number): readonly number[] {
  return Array.from({ length: total }, (_unused, index) => index);
}
