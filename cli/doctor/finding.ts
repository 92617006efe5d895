/** The result of one check of `weft doctor`, with a fix if the check failed. */
export const LEVELS = ["ok", "warning", "error"] as const;
export type Level = (typeof LEVELS)[number];

export interface Finding {
  /** Stable, because people search for the code and suppress findings by it. Listed in docs/cli.md. */
  readonly code: string;
  readonly level: Level;
  readonly message: string;
  /** The consequence of doing nothing; absent when the check passed. */
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
