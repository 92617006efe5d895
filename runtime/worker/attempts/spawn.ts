/**
 * Child jobs of a handler. A child is a step: once the step is stored, no later attempt enqueues the child
 * again. Between the enqueue and that store the child's id protects it, because every attempt derives the
 * same id from the parent's identity and the name.
 */
import { createHash } from "node:crypto";
import { TaskweftError } from "../../errors.js";
import type { EnqueueOf } from "../handler.js";

/** Leaves room below the 128 characters of an id. */
const MAX_PARENT_CHARACTERS = 110;

/**
 * The child's id starts with the parent's, so that related jobs sort together; the hash distinguishes `a` +
 * `b.c` from `a.b` + `c`.
 * @param parent the identity of the parent.
 */
export function childId(parent: string, name: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([parent, name]))
    .digest("hex");
  return `${parent.slice(0, MAX_PARENT_CHARACTERS)}..${hash.slice(0, 16)}`;
}

/** Returns the child's id, or that of another job which has the task's idempotency key already. */
export async function spawnChild<Payload, Options extends object>(
  id: string,
  enqueue: EnqueueOf<Payload, Options>,
  payload: Payload,
  options: Omit<Options, "id"> | undefined,
): Promise<string> {
  try {
    return (await enqueue(payload, { ...options, id } as unknown as Options)).id;
  } catch (error) {
    // An earlier attempt has enqueued the child with another payload, and was lost before the step was
    // stored: that child stands.
    if (error instanceof TaskweftError && error.code === "IdConflict") return error.jobId ?? id;
    throw error;
  }
}
