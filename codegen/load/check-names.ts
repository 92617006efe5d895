/**
 * Names become parts of Redis keys, TypeScript identifiers, paths on case-insensitive disks, and metric
 * labels. A name that would break one of these is rejected at its line.
 */
import {
  MAX_NAME_LENGTH,
  MAX_OBSERVER_NAME_LENGTH,
  MAX_SCHEDULE_NAME_LENGTH,
  MAX_STEP_NAME_LENGTH,
  SIMPLE_NAME_PATTERN,
  STEP_NAME_PATTERN,
  TASK_NAME_PATTERN,
} from "../../runtime/definition/index.js";
import { SCHEMA_NAME_PATTERN } from "../model/definition-payload.js";
import { ERROR_NAME_PATTERN } from "../model/definition-task.js";
import { quote } from "../model/quote.js";
import type { Problem } from "./reporter.js";
import type { Origin } from "./source.js";

/** Device names: Windows opens the device, whatever the folder or extension. */
const WINDOWS_WORDS =
  "con prn aux nul com0 com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt0 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9";
/** Properties of every object, so that a lookup by name would find something that nobody declared. */
const PROTOTYPE_WORDS = "__proto__ constructor prototype";

// Keywords of JavaScript (`eval:run`, `otel:export`) are allowed: no identifier of generated code is a bare
// segment.
const RESERVED_SEGMENTS: ReadonlyMap<string, string> = new Map([
  ...WINDOWS_WORDS.split(" ").map((word) => [word, "a device name of Windows"] as const),
  ...PROTOTYPE_WORDS.split(" ").map((word) => [word, "a property of every JavaScript object"] as const),
]);
const RESERVED_SIMPLE: ReadonlySet<string> = new Set(PROTOTYPE_WORDS.split(" "));

/**
 * Classes that generated/errors.ts imports or that JavaScript defines: a class of that name would hide them.
 */
const TAKEN_ERROR_NAMES: ReadonlySet<string> = new Set(
  "AggregateError Array Boolean DeclaredError Error EvalError Function Number Object PayloadInvalid PermanentError Promise RangeError ReferenceError String Symbol SyntaxError TaskweftError TypeError URIError".split(
    " ",
  ),
);

export type NameKind =
  | "error"
  | "event"
  | "observer"
  | "queue"
  | "retry policy"
  | "schedule"
  | "schema"
  | "step"
  | "task"
  | "workflow";

const LONGEST: Partial<Record<NameKind, number>> = {
  observer: MAX_OBSERVER_NAME_LENGTH,
  schedule: MAX_SCHEDULE_NAME_LENGTH,
  step: MAX_STEP_NAME_LENGTH,
};

/** The problem of a name, or `undefined`. */
export function nameProblem(kind: NameKind, name: string, at: Origin): Problem | undefined {
  const { pattern, form, example } = FORMS[kind];
  const longest = LONGEST[kind] ?? MAX_NAME_LENGTH;
  if (name.length > longest) {
    return {
      code: "TW107",
      at,
      message: `expected a name of at most ${longest} characters, got ${name.length}`,
    };
  }
  if (!pattern.test(name)) {
    const suggestion = suggested(kind, name);
    const hint =
      pattern.test(suggestion) && suggestion !== name
        ? `did you mean "${suggestion}"?`
        : `such as ${example}`;
    return {
      code: "TW107",
      at,
      message: `${quote(name)} cannot name ${/^[aeio]/.test(kind) ? "an" : "a"} ${kind}: expected ${form}`,
      hint,
    };
  }
  const reserved = reservedPart(kind, name);
  if (reserved === undefined) return undefined;
  return {
    code: "TW107",
    at,
    message: `the ${kind} name ${quote(name)} is not usable: ${reserved}`,
    hint: "choose another word",
  };
}

const LOWER_SEGMENT = "a lower-case letter, then lower-case letters, digits, - and _";
const SEGMENTS = `one to five segments joined by colons, each ${LOWER_SEGMENT}`;
const CAMEL = "a lower-case letter, then letters, digits and _";
const CAPITALISED = "a capital letter, then letters and digits";
const FORMS: Readonly<Record<NameKind, { pattern: RegExp; form: string; example: string }>> = {
  error: { pattern: ERROR_NAME_PATTERN, form: CAPITALISED, example: "CardDeclined" },
  event: { pattern: TASK_NAME_PATTERN, form: SEGMENTS, example: "order:created" },
  observer: { pattern: TASK_NAME_PATTERN, form: SEGMENTS, example: "big-order" },
  queue: { pattern: SIMPLE_NAME_PATTERN, form: LOWER_SEGMENT, example: "critical" },
  "retry policy": { pattern: SIMPLE_NAME_PATTERN, form: LOWER_SEGMENT, example: "standard" },
  schedule: { pattern: TASK_NAME_PATTERN, form: SEGMENTS, example: "otp-cleanup" },
  schema: { pattern: SCHEMA_NAME_PATTERN, form: CAPITALISED, example: "Money" },
  step: { pattern: STEP_NAME_PATTERN, form: CAMEL, example: "chargeCard" },
  task: { pattern: TASK_NAME_PATTERN, form: SEGMENTS, example: "payment:process" },
  workflow: { pattern: TASK_NAME_PATTERN, form: SEGMENTS, example: "order:checkout" },
};

function reservedPart(kind: NameKind, name: string): string | undefined {
  if (kind === "error") return TAKEN_ERROR_NAMES.has(name) ? "it would hide a class of that name" : undefined;
  // `defineContract`, `defineWorkflow` and the like would be both imported and declared by generated code.
  if (name === "define" && (kind === "task" || kind === "workflow" || kind === "event"))
    return "generated code would have two things of one name";
  if (kind === "step" && name in Object.prototype) return "it is a property of every JavaScript object";
  if (kind !== "task")
    return RESERVED_SIMPLE.has(name) ? "it is a property of every JavaScript object" : undefined;
  for (const segment of name.split(":")) {
    const why = RESERVED_SEGMENTS.get(segment);
    if (why !== undefined) return `"${segment}" is ${why}`;
  }
  return undefined;
}

function suggested(kind: NameKind, name: string): string {
  if (kind === "schema" || kind === "error") return capitalised(name);
  if (kind !== "step") return lowered(name);
  const word = capitalised(name);
  return word.slice(0, 1).toLowerCase() + word.slice(1);
}

function lowered(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/gu, "$1-$2")
    .toLowerCase()
    .replace(/[\s.]+/gu, "-")
    .replace(/\/+/gu, ":");
}

function capitalised(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/u)
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("");
}

/** `PaymentProcess` for `payment:process`. */
export function identifierOf(taskName: string): string {
  return capitalised(taskName);
}

/** `payment/process` for `payment:process`. */
export function modulePathOf(taskName: string): string {
  return taskName.replaceAll(":", "/");
}
