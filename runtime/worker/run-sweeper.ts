/**
 * Removes workflow runs after their retention, with what is kept of their jobs: a part at a time, for one fan-out may have 100,000
 * items.
 */
import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import { parseRunRecord, runFields, type ShardKeys } from "../protocol/index.js";
import { forgetRun } from "../scripts/index.js";
import { fieldsOfItem, fieldsOfStep, stepJobId, undoJobId, type WorkflowGraph } from "../workflow/index.js";
import type { RunReader } from "./run-reader.js";

/** Runs of one look. */
const RUNS = 100;
/** Fields, and jobs, of one call. */
const BATCH = 500;

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
    for (const run of runs) await this.#forget(run);
    return runs.length === RUNS;
  }

  async #forget(run: string): Promise<void> {
    const graph = await this.#graphOf(run);
    const fields = [
      run,
      runFields.stamp(run),
      runFields.state(run),
      runFields.open(run),
      runFields.timeout(run),
    ];
    const jobs: string[] = [];
    for (const { name, forEach } of graph?.definition.steps ?? []) {
      fields.push(...fieldsOfStep(run, name));
      jobs.push(stepJobId(run, name), undoJobId(run, name));
      if (forEach !== undefined) await this.#forgetItems(run, name);
    }
    await this.#remove(run, fields.splice(BATCH), jobs);
    await forgetRun(this.#connection, { keys: this.#keys, run, isLast: true, fields, jobs: [] });
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

  async #forgetItems(run: string, step: string): Promise<void> {
    const field = runFields.items(run, step);
    const total = Number((await this.#reader.read([field])).get(field) ?? 0);
    const indexes = Array.from({ length: total }, (_unused, index) => index);
    const fields = indexes.flatMap((index) => fieldsOfItem(run, step, index));
    await this.#remove(
      run,
      fields,
      indexes.map((index) => stepJobId(run, step, index)),
    );
  }

  async #remove(run: string, fields: readonly string[], jobs: readonly string[]): Promise<void> {
    for (let from = 0; from < Math.max(fields.length, jobs.length); from += BATCH) {
      await forgetRun(this.#connection, {
        keys: this.#keys,
        run,
        isLast: false,
        fields: fields.slice(from, from + BATCH),
        jobs: jobs.slice(from, from + BATCH),
      });
    }
  }
}
