import type { QuickCheck } from "./fit.js";
import type { Validator } from "./task-contract.js";

/**
 * Asks the quick check first. The schema judges what the check does not accept, and is not even built before:
 * most processes never meet such a value.
 */
class QuickValidator<Value> implements Validator<Value> {
  readonly #fits: QuickCheck;
  readonly #build: () => Validator<Value>;
  #schema: Validator<Value> | undefined;

  constructor(fits: QuickCheck, build: () => Validator<Value>) {
    this.#fits = fits;
    this.#build = build;
  }

  /** `data` is the value itself where the check accepts it, a copy where the schema does. */
  safeParse(value: unknown): ReturnType<Validator<Value>["safeParse"]> {
    if (this.#fits(value)) return { success: true, data: value as Value };
    this.#schema ??= this.#build();
    return this.#schema.safeParse(value);
  }
}

/**
 * The validator of a plain zod schema, whose inferred type is replaced by the declared one. Without a quick
 * check the schema sees every value.
 */
export function validatorOf<Value>(
  fits: QuickCheck | undefined,
  schema: () => unknown,
): () => Validator<Value> {
  const build = schema as () => Validator<Value>;
  return fits === undefined ? build : () => new QuickValidator(fits, build);
}
