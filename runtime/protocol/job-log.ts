/**
 * The log of a job in `notes`: the number of dropped lines, then one line of JSON for each kept line: `[at,
 * level, text]`.
 */

const JOB_LOG_LEVELS = ["info", "warn", "error"] as const;
export type JobLogLevel = (typeof JOB_LOG_LEVELS)[number];

export interface JobLogLine {
  /** Redis time (ms). */
  readonly at: number;
  readonly level: JobLogLevel;
  readonly text: string;
}

export interface JobLog {
  /** Oldest first. */
  readonly lines: readonly JobLogLine[];
  /** How many earlier lines were dropped, because the log has a maximum length. */
  readonly dropped: number;
}

export function encodeLogLine({ at, level, text }: JobLogLine): string {
  return `${JSON.stringify([at, level, text])}\n`;
}

/** @throws SyntaxError for an invalid text. */
export function parseJobLog(stored: string): JobLog {
  const [dropped, ...lines] = stored.split("\n");
  return {
    dropped: Number(dropped),
    lines: lines
      .filter((line) => line !== "")
      .map((line) => {
        const [at, level, text] = JSON.parse(line) as [number, JobLogLevel, string];
        return { at, level, text };
      }),
  };
}
