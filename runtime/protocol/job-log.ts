/** The log of a job in `notes`: the number of lines that are no longer there, then a line of JSON for each: `[at, level, text]`. */

export const JOB_LOG_LEVELS = ["info", "warn", "error"] as const;
export type JobLogLevel = (typeof JOB_LOG_LEVELS)[number];

export interface JobLogLine {
  /** By the clock of Redis (ms). */
  readonly at: number;
  readonly level: JobLogLevel;
  readonly text: string;
}

export interface JobLog {
  /** Oldest first. */
  readonly lines: readonly JobLogLine[];
  /** Lines before these that were dropped, because there were too many. */
  readonly dropped: number;
}

export function encodeLogLine({ at, level, text }: JobLogLine): string {
  return `${JSON.stringify([at, level, text])}\n`;
}

/** @throws SyntaxError for a text that is none. */
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
