/**
 * The limit group of a job that a worker enqueues by itself. Nobody could be told that the key of the limit
 * is invalid (for example an error message with line breaks, or a long one), and such a job must not be lost:
 * a hash replaces the invalid key.
 */
import { createHash } from "node:crypto";
import {
  type AnyTaskContract,
  isKey,
  type LimitedGroup,
  limitedGroup,
  type QueueDefinition,
} from "../../definition/index.js";

export function fittingGroup(
  contract: AnyTaskContract,
  queue: QueueDefinition,
  payload: unknown,
): LimitedGroup | undefined {
  return limitedGroup(contract, queue, payload, fittingKey);
}

/** Hashed as JSON, which distinguishes different unpaired surrogates. */
function fittingKey(text: string): string {
  return isKey(text) ? text : `#${createHash("sha256").update(JSON.stringify(text)).digest("base64url")}`;
}
