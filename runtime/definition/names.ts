/**
 * Names of tasks, queues and policies. They become parts of Redis keys, TypeScript identifiers, file paths
 * and metric labels, so the allowed alphabet is small and the same everywhere.
 */

/** One to five segments joined by colons: `payment:process`, `savings:process_contribution`. */
export const TASK_NAME_PATTERN = /^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*){0,4}$/;
/** One segment: `critical`, `otp-cleanup`. */
export const SIMPLE_NAME_PATTERN = /^[a-z][a-z0-9_-]*$/;
/**
 * Job ids contain no braces, spaces or control characters, so that no id can move a key to another slot or
 * prefix.
 */
export const JOB_ID_PATTERN = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Whether a caller may choose this id for a job. The jobs of a workflow run are `<run>.<step>`, `<run>:end` and
 * `<run>:timeout`. Another job with such an id would take the place of one of them, and the run would wait for
 * it for ever. Ids that taskweft derives from others (observers, children, follow-ups) contain two dots, so
 * that they are never those of a step; they come through the same functions and are accepted.
 */
export function mayBeChosen(id: string): boolean {
  const isOfRun = /:(?:end|timeout)$/.test(id) || (id.includes(".") && !id.includes(".."));
  return JOB_ID_PATTERN.test(id) && !isOfRun;
}

export const MAX_NAME_LENGTH = 120;
/** Step names: expressions refer to them, as in `steps.chargeCard.result`. */
export const STEP_NAME_PATTERN = /^[a-z][A-Za-z0-9_]*$/;
/**
 * Limited, because the ids of a run's jobs consist of the run's id, the step's name and the index of an item.
 */
export const MAX_STEP_NAME_LENGTH = 40;
/** Longest key of a job (for idempotency, dedupe, limit or turn), in UTF-16 code units. */
export const MAX_KEY_LENGTH = 512;

/**
 * Whether a text is valid as a job's key. Scripts read a key up to a line break. An unpaired surrogate has no
 * UTF-8 form, so Redis would store a different key from the one that is looked up later.
 */
export function isKey(text: string): boolean {
  return text !== "" && text.length <= MAX_KEY_LENGTH && !/[\n\p{Surrogate}]/u.test(text);
}

/** Limited, because the ids of an observer's jobs consist of the event's id and the observer's name. */
export const MAX_OBSERVER_NAME_LENGTH = 80;
