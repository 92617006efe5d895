/** Makes the functions that generated code exports: `startOrderCheckout(input, options)`. */
import { isDeepStrictEqual } from "node:util";
import type { CancelledRunState } from "../cancel.js";
import {
  type Duration,
  type QueueDefinition,
  type QuickCheck,
  type Validator,
  type WorkflowDefinition,
  validatorOf,
} from "../definition/index.js";
import { PayloadInvalid, TaskweftError } from "../errors.js";
import { durationMs, optionInvalid } from "../option-values.js";
import { processMetrics } from "../metrics/index.js";
import { parseRunRecord, runKeyField } from "../protocol/index.js";
import { RunStarter } from "../workflow/index.js";
import type { TaskweftClient } from "./client.js";
import { currentClient } from "./default-client.js";
import { assertKey } from "./job-key.js";
import { checkValue } from "./payload-check.js";
import { DEFAULT_RESULT_TIMEOUT_MS } from "./result-listener.js";

/** A workflow as generated code hands it to the runtime. */
export interface WorkflowContract<Input = unknown, _Output = unknown> {
  readonly definition: WorkflowDefinition;
  readonly input: () => Validator<Input>;
  /** Compiled from `idempotency.key`. */
  readonly idempotency?: { readonly key: (input: Input) => string; readonly ttlMs: number };
}

/** The form of generated code. */
export interface UntypedWorkflow<Input> extends Omit<WorkflowContract<Input>, "input"> {
  readonly inputFits?: QuickCheck;
  /** A plain zod schema. */
  readonly input: () => unknown;
}

export function defineWorkflow<Input, Output>({
  inputFits,
  input,
  ...workflow
}: UntypedWorkflow<Input>): WorkflowContract<Input, Output> {
  return Object.freeze({ ...workflow, input: validatorOf<Input>(inputFits, input) });
}

export interface StartOptions {
  /** Default: the client of `connect()`. */
  readonly client?: TaskweftClient;
  /**
   * 1 to 80 of `A-Z a-z 0-9 _ -`. Default: a new id. If a run of this id is stored, it is returned; if it is one
   * of another workflow or with another input, the start fails with `IdConflict`.
   */
  readonly id?: string;
  /** @internal Instead of an id: one is made of it, always the same. */
  readonly startedBy?: string;
}

/** A run that is stored. */
export interface RunHandle<Output> {
  readonly id: string;
  /** True when the id or the idempotency key was known: this is the run that was already there. */
  readonly deduplicated: boolean;
  /**
   * Waits for the run to end and gives its output. `timeout`: default `30s`.
   * @throws TaskweftError with code `RunFailed`, `RunCancelled`, `TimedOut` or `RunNotFound`.
   */
  result(options?: { readonly timeout?: Duration }): Promise<Output>;
  /**
   * Cancels the run, as `weft runs cancel` does: it starts nothing more, running steps are aborted, and completed
   * steps are compensated. Resolves to its state: `cancelling`, or `failing` or `compensating` if it was in that
   * state already. `result()` waits for its end.
   * @throws TaskweftError `StateConflict` if it has ended already, `RunNotFound`, or `OutcomeUnknown`: call it again.
   */
  cancel(): Promise<CancelledRunState>;
}

export interface StartFunction<Input, Output> {
  /**
   * Validates the input and starts one run; returns the stored run if its id or idempotency key is known.
   * @throws PayloadInvalid before Redis is touched.
   * @throws TaskweftError `OptionInvalid`, `NotConnected`, `Closed`, `IdConflict`, `RedisUnavailable`, `RedisFull`
   *   or `OutcomeUnknown`.
   */
  (input: Input, options?: StartOptions): Promise<RunHandle<Output>>;
  /** What workers use to start runs of it that are steps of other runs. */
  readonly contract?: WorkflowContract<Input, Output>;
}

/** No dot: the ids of the run's jobs and child runs are its own id, a dot and more, so two runs never share one. */
const RUN_ID = /^[A-Za-z0-9_-]{1,80}$/;

/** `queues`: those of the definitions; a queue becomes known to workers with its first job. */
export function createStartFunction<Input, Output>(
  contract: WorkflowContract<Input, Output>,
  queues: readonly QueueDefinition[],
): StartFunction<Input, Output> {
  const { definition } = contract;
  const starter = new RunStarter(definition);
  const settings = new Map(queues.map((queue) => [queue.name, queue]));
  // Made with the first start: to make a validator takes longer than all the rest of a start.
  let validator: Validator<Input> | undefined;

  const start: StartFunction<Input, Output> = async (input, options = {}) => {
    const client = options.client ?? currentClient();
    const { startedBy } = options;
    validator ??= contract.input();
    const checked = checkValue(validator, input);
    if ("problems" in checked) throw new PayloadInvalid(definition.name, checked.problems, "start");
    if (options.id !== undefined && !RUN_ID.test(options.id)) {
      throw optionInvalid("id", "1 to 80 of A-Z a-z 0-9 _ -", options.id);
    }
    for (const name of starter.queues) client.registerQueue(settings.get(name) ?? { name, weight: 1 });
    const { idempotency } = contract;
    const key = idempotency === undefined ? "" : runKey(definition.name, idempotency.key(checked.data));
    const run = startedBy === undefined ? client.runId(options.id, key) : client.derivedRunId(startedBy, key);
    const made = starter.start({ run, key, input: checked.data, now: client.now() });
    const { record } = made;
    const { id, known } = await client.startRun({ ...made, key, keyTtlMs: idempotency?.ttlMs ?? 0 });
    // A call that was sent twice finds its own record.
    const isOther = known !== undefined && (id !== run || known !== record);
    // Nothing is left to compare of a run that was removed after its retention, while its key still counts.
    const differs = isOther && id === run && known !== "" && !startsTheSame(known, record);
    if (differs) throw idConflict(definition.name, id);
    if (!isOther) processMetrics.count("taskweft_run_started_total", { workflow: definition.name });
    return new StoredRunHandle<Output>(client, definition.name, id, isOther);
  };
  return Object.assign(start, { contract });
}

/** An empty key would make one run of all that lack it. @throws TaskweftError `OptionInvalid` */
function runKey(workflow: string, text: string): string {
  assertKey("idempotency.key", text);
  return runKeyField(workflow, text);
}

/** The same workflow with the same input, whenever and by whatever deploy. */
function startsTheSame(known: string, record: string): boolean {
  const [one, other] = [parseRunRecord(known), parseRunRecord(record)];
  return one.workflow === other.workflow && isDeepStrictEqual(one.input, other.input);
}

function idConflict(workflow: string, id: string): TaskweftError {
  return new TaskweftError(
    "IdConflict",
    `the id ${id} belongs to a stored run of another workflow, or with another input than this start of ${workflow}. Use another id, or no id and an idempotency key.`,
    { operation: "start", jobId: id },
  );
}

class StoredRunHandle<Output> implements RunHandle<Output> {
  readonly id: string;
  readonly deduplicated: boolean;
  readonly #client: TaskweftClient;
  readonly #workflow: string;

  constructor(client: TaskweftClient, workflow: string, id: string, deduplicated: boolean) {
    this.#client = client;
    this.#workflow = workflow;
    this.id = id;
    this.deduplicated = deduplicated;
  }

  async cancel(): Promise<CancelledRunState> {
    return await this.#client.cancelRun(this.id);
  }

  async result(options: { readonly timeout?: Duration } = {}): Promise<Output> {
    const timeoutMs = durationMs("timeout", options.timeout, DEFAULT_RESULT_TIMEOUT_MS);
    const end = await this.#client.runEnded(this.id, timeoutMs);
    const what = `${this.#workflow} run ${this.id}`;
    if (end === undefined) {
      throw new TaskweftError(
        "TimedOut",
        `${what} had not ended after ${timeoutMs} ms; it goes on, ask again later`,
        {
          operation: "result",
        },
      );
    }
    if (end.state === "completed") return end.detail as Output;
    if (end.state === "cancelled") {
      throw new TaskweftError("RunCancelled", `${what}: ${String(end.detail)}`, { operation: "result" });
    }
    throw new TaskweftError("RunFailed", `${what} failed: ${String(end.detail)}`, { operation: "result" });
  }
}
