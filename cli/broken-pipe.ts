/** What to do when the reader of our output has gone away, as with `weft jobs list | head` or a killed `weft dev`. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ExitCode } from "./exit-codes.js";

/** Time for a command that has printed its result to end by itself (ms), so that a failure keeps its exit code. */
const END_MS = 1000;
/** Of a program that SIGPIPE has ended, in a shell. */
const NOBODY_READS = 141;

let goesOn = false;

/** For most commands: stop, because nobody reads the rest. @param ended the exit code of the command, once known. */
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
