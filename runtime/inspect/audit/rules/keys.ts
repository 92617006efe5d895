/**
 * Idempotency keys expire. A key whose job is gone is correct until its ttl ends: completion does not free
 * it, and the same key must give the same answer.
 */
import { createHash } from "node:crypto";
import type { JobFacts } from "../facts.js";
import type { AuditFinding } from "../finding.js";

const DIGEST_LENGTH = 8;

export function keyFindings(facts: JobFacts): readonly AuditFinding[] {
  const { id, record, run } = facts;
  const options = record.kind === "job" ? record.options : {};
  const freed = (run.state === "dead" || run.state === "cancelled") && options.hold === undefined;
  return facts.keys.flatMap(({ field, ends }): AuditFinding[] => {
    const about = { id, subject: shownKey(field) };
    if (freed && options.key === field)
      return [
        { ...about, code: "TW-F21", expected: "a free key", found: `one of a job that is ${run.state}` },
      ];
    return ends ? [] : [{ ...about, code: "TW-F20", expected: "an end in keys-expiry", found: "none" }];
  });
}

/** A key may be made of sensitive payload fields; its digest is enough to tell two keys apart. */
export function shownKey(field: string): string {
  const space = field.indexOf(" ");
  const digest = createHash("sha256").update(field).digest("hex").slice(0, DIGEST_LENGTH);
  return `${space < 0 ? "" : field.slice(0, space)} sha256:${digest}`.trim();
}
