/**
 * Validates the inputs of runs that are steps, as start functions validate other inputs: for what only the
 * value can show. Skipped unless this worker has the same version of the child workflow as the parent run;
 * the schema of another deploy would judge by other rules.
 */
import type { Validator, WorkflowDefinition } from "../../definition/index.js";
import type { Logger, Registry } from "../handler.js";
import { issueText } from "../attempts/outcome.js";

type Validators = ReadonlyMap<string, () => Validator<unknown>>;

export class ChildInputs {
  readonly #load: Registry["workflows"];
  readonly #logger: Logger;
  #loaded: Promise<Validators> | undefined;
  readonly #made = new Map<string, Validator<unknown>>();

  constructor(load: Registry["workflows"], logger: Logger) {
    this.#load = load;
    this.#logger = logger;
  }

  /** What is wrong with the input, as text; `undefined` when it is valid. */
  async problemOf(
    workflow: Pick<WorkflowDefinition, "hash" | "name">,
    input: unknown,
  ): Promise<string | undefined> {
    const key = keyOf(workflow);
    this.#loaded ??= this.#loadAll();
    const make = (await this.#loaded).get(key);
    if (make === undefined) return undefined;
    const validator = this.#made.get(key) ?? make();
    this.#made.set(key, validator);
    const checked = validator.safeParse(input);
    if (checked.success) return undefined;
    return `PayloadInvalid: the input of ${workflow.name} does not fit its schema: ${issueText(checked.error.issues)}`;
  }

  async #loadAll(): Promise<Validators> {
    try {
      const starts = (await this.#load?.()) ?? [];
      return new Map(
        starts.flatMap(({ contract }) =>
          contract === undefined ? [] : [[keyOf(contract.definition), contract.input] as const],
        ),
      );
    } catch (error) {
      // Runs go on without this check: the payloads of their steps are validated too.
      this.#logger.error(
        "the generated workflows cannot be loaded: inputs of runs that are steps are not checked",
        { error },
      );
      return new Map();
    }
  }
}

function keyOf({ name, hash }: Pick<WorkflowDefinition, "hash" | "name">): string {
  return `${name} ${hash}`;
}
