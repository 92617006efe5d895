/**
 * The group of a job that a worker makes by itself. Nobody is there to be told that a key of its limit is none (the message of an error
 * has line breaks, or is long), and such a job must not be lost: the hash of what is no key stands for it.
 */
import { createHash } from "node:crypto";
import {
  type AnyTaskContract,
  isKey,
  type LimitedGroup,
  limitedGroup,
  type QueueDefinition,
} from "../definition/index.js";

export function fittingGroup(
  contract: AnyTaskContract,
  queue: QueueDefinition,
  payload: unknown,
): LimitedGroup | undefined {
  return limitedGroup(contract, queue, payload, fittingKey);
}

/** As JSON, in which half a surrogate pair is told from another. */
function fittingKey(text: string): string {
  return isKey(text) ? text : `#${createHash("sha256").update(JSON.stringify(text)).digest("base64url")}`;
}
