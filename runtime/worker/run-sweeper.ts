/** Removes workflow runs after their retention: a part of their fields at a time, for one fan-out may have 100,000. */
import type { Connection } from "../connection/index.js";
import { parseRunRecord, runFields, type ShardKeys } from "../protocol/index.js";
import { forgetRun } from "../scripts/index.js";
import { fieldsOfRun, fieldsOfItem } from "../workflow/index.js";
import type { RunReader } from "./run-reader.js";

/** Runs of one look. */
const RUNS = 100;
const FIELD_BATCH = 500;

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
    const text = (await this.#reader.read([run])).get(run);
    const record = text === undefined ? undefined : parseRunRecord(text);
    const graph =
      record === undefined ? undefined : await this.#reader.graph(`${record.workflow} ${record.hash}`);
    const fields = [run, runFields.state(run), runFields.open(run), runFields.timeout(run)];
    for (const { name, forEach } of graph?.definition.steps ?? []) {
      fields.push(...fieldsOfRun(run, name));
      if (forEach !== undefined) await this.#forgetItems(run, name);
    }
    await this.#remove(run, fields.splice(FIELD_BATCH));
    await forgetRun(this.#connection, { keys: this.#keys, run, isLast: true, fields });
  }

  async #forgetItems(run: string, step: string): Promise<void> {
    const field = runFields.items(run, step);
    const total = Number((await this.#reader.read([field])).get(field) ?? 0);
    const fields = Array.from({ length: total }, (_unused, index) => fieldsOfItem(run, step, index)).flat();
    await this.#remove(run, fields);
  }

  async #remove(run: string, fields: readonly string[]): Promise<void> {
    for (let from = 0; from < fields.length; from += FIELD_BATCH) {
      const part = fields.slice(from, from + FIELD_BATCH);
      await forgetRun(this.#connection, { keys: this.#keys, run, isLast: false, fields: part });
    }
  }
}
