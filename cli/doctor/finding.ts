/** What `weft doctor` reports: one thing that was looked at, and what to do if it is not as it should be. */
export const LEVELS = ["ok", "warning", "error"] as const;
export type Level = (typeof LEVELS)[number];

export interface Finding {
  /** Stable: people search for it and suppress by it. See docs/cli.md. */
  readonly code: string;
  readonly level: Level;
  readonly message: string;
  /** What goes wrong if nothing is done; absent when all is well. */
  readonly why?: string;
  readonly fix?: string;
}

export function ok(code: string, message: string): Finding {
  return { code, level: "ok", message };
}

export function problem(
  code: string,
  level: Exclude<Level, "ok">,
  message: string,
  details: { readonly why: string; readonly fix: string },
): Finding {
  return { code, level, message, ...details };
}
