/** What to do when the reader of our output has gone away: `weft jobs list | head`, or a `weft dev` that was killed. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ExitCode } from "./exit-codes.js";

/** A command that has printed its result ends by itself within this time, and whoever reads its exit code must not be told 0 for a failure. */
const END_MS = 1000;
/** Of a program that SIGPIPE has ended, in a shell. */
const NOBODY_READS = 141;

let goesOn = false;

/** For every command: nobody reads the rest, so there is no rest. Not an error of ours. `ended`: its exit code, once it has one. */
export function endOnBrokenPipe(ended: Promise<ExitCode>): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (goesOn) return;
      void Promise.race([ended, sleep(END_MS, NOBODY_READS)]).then((code) => process.exit(code));
    });
  }
}

/** For a worker: the log is lost, but the running jobs must not be. */
export function goOnAfterBrokenPipe(): void {
  goesOn = true;
}
