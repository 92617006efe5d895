/**
 * A retained event has an expiry. Its id was chosen by the caller and may be sensitive, so it is shown as a
 * digest.
 */
import type { AuditFinding } from "../finding.js";
import { shownKey } from "./keys.js";

export interface EventFacts {
  /** `<event> <id>`. */
  readonly field: string;
  readonly hasEnd: boolean;
}

export function eventFindings({ field, hasEnd }: EventFacts): readonly AuditFinding[] {
  if (hasEnd) return [];
  const about = { subject: `event ${shownKey(field)}`, expected: "an end in events-expiry", found: "none" };
  return [{ code: "TW-F22", ...about, repair: "let it end in 24 h" }];
}
