/**
 * Checks a payload before Redis is touched: it fits its schema, JSON can represent it, and it is not too
 * large.
 */
import type { ValidationIssue, Validator } from "../definition/index.js";
import { PayloadInvalid, type PayloadProblem } from "../errors.js";

/**
 * Larger payloads belong in a blob store, with a reference in the job: they slow down every other job of the
 * shard.
 */
const MAX_PAYLOAD_CHARACTERS = 1024 * 1024;

type Operation = "emit" | "enqueue" | "replay";

export class PayloadCheck<Payload> {
  readonly #name: string;
  readonly #build: () => Validator<Payload>;
  readonly #operation: Operation;
  #validator: Validator<Payload> | undefined;

  /** `build` makes the validator when the first payload comes. */
  constructor(name: string, build: () => Validator<Payload>, operation: Operation = "enqueue") {
    this.#name = name;
    this.#build = build;
    this.#operation = operation;
  }

  /**
   * Returns the validated payload, and its JSON.
   * @throws PayloadInvalid
   */
  check(payload: Payload): { readonly payload: Payload; readonly json: string } {
    this.#validator ??= this.#build();
    const checked = checkValue(this.#validator, payload);
    if ("problems" in checked) throw this.#invalid(checked.problems);
    return { payload: checked.data, json: this.json(checked.data) };
  }

  /**
   * Rejects here what JSON cannot represent: a schema with `any` lets it through, and a worker would notice
   * too late.
   * @throws PayloadInvalid
   */
  json(payload: Payload): string {
    const json = this.#stringify(payload);
    if (json.length <= MAX_PAYLOAD_CHARACTERS) return json;
    const message = `expected at most ${MAX_PAYLOAD_CHARACTERS} characters of JSON, got ${json.length}`;
    throw this.#invalid([{ path: "", message }]);
  }

  #stringify(payload: Payload): string {
    let json: string | undefined;
    let reason = `got ${typeof payload}`;
    try {
      // `undefined` for `undefined` and functions.
      json = JSON.stringify(payload);
    } catch (error) {
      reason = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
    }
    if (json !== undefined) return json;
    throw this.#invalid([{ path: "", message: `expected a value that JSON can hold: ${reason}` }]);
  }

  #invalid(problems: PayloadInvalid["problems"]): PayloadInvalid {
    return new PayloadInvalid(this.#name, problems, this.#operation);
  }
}

/** Catches the stack overflow of a recursive schema on a deeply nested value. */
export function checkValue<Value>(
  validator: Validator<Value>,
  value: unknown,
): { readonly data: Value } | { readonly problems: readonly PayloadProblem[] } {
  try {
    const checked = validator.safeParse(value);
    return checked.success ? { data: checked.data } : { problems: problemsOf(checked.error.issues) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      problems: [{ path: "", message: "expected a value that can be checked: it is nested too deeply" }],
    };
  }
}

function problemsOf(issues: readonly ValidationIssue[]): readonly PayloadProblem[] {
  return issues.map((issue) => ({ path: pathText(issue.path), message: issue.message }));
}

/** `["items", 0, "sku"]` becomes `items[0].sku`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text;
}
