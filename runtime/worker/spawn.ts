/**
 * Child jobs of a handler. A child is a step: once it is stored, no later attempt enqueues it. Between its enqueue and that
 * store its id protects it, which every attempt makes from the parent's id and the name alone.
 */
import { createHash } from "node:crypto";
import { TaskweftError } from "../errors.js";
import type { EnqueueOf } from "./handler.js";

/** Leaves room below the 128 characters of an id. */
const MAX_PARENT_CHARACTERS = 110;

/**
 * `parent`: its identity. Begins with the parent's id, so that a family stands together; the hash tells `a` + `b.c` from `a.b` + `c`.
 */
export function childId(parent: string, name: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([parent, name]))
    .digest("hex");
  return `${parent.slice(0, MAX_PARENT_CHARACTERS)}..${hash.slice(0, 16)}`;
}

/** The child's id; that of another job where the task's idempotency key has one already. */
export async function spawnChild<Payload, Options extends object>(
  id: string,
  enqueue: EnqueueOf<Payload, Options>,
  payload: Payload,
  options: Omit<Options, "id"> | undefined,
): Promise<string> {
  try {
    return (await enqueue(payload, { ...options, id } as unknown as Options)).id;
  } catch (error) {
    // An earlier attempt has stored it with another payload, and was lost before it stored the step: what it did stands.
    if (error instanceof TaskweftError && error.code === "IdConflict") return error.jobId ?? id;
    throw error;
  }
}
