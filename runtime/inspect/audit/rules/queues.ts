/**
 * Queues with jobs are declared in `meta`, where workers and tools look for them, and have at most one hint.
 */
import type { AuditFinding } from "../finding.js";

export interface QueueFacts {
  readonly name: string;
  readonly declared: boolean;
  readonly pending: number;
  readonly due: number;
  readonly hints: number;
}

export function queueFindings({ name, declared, pending, due, hints }: QueueFacts): readonly AuditFinding[] {
  return [
    ...(declared || pending + due === 0
      ? []
      : [
          {
            code: "TW-F40" as const,
            subject: `queue ${name}`,
            expected: "a weight in meta",
            found: `none, and ${pending} pending and ${due} due jobs`,
            repair:
              "declare it with weight 1, so that lost workers' jobs can go back to it and tools show it",
          },
        ]),
    ...hintFindings(name, hints),
  ];
}

export function hintFindings(name: string, hints: number): readonly AuditFinding[] {
  if (hints <= 1) return [];
  const repair = "leave one";
  return [
    { code: "TW-F41", subject: `wake:${name}`, expected: "at most one hint", found: String(hints), repair },
  ];
}
