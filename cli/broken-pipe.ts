/**
 * What to do when our output cannot be written: its reader has gone away, as with `weft jobs list | head` or a
 * killed `weft dev`, or the disk is full.
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, type ExitCode } from "./exit-codes.js";

/** Time for a command that has printed its result to end by itself (ms), so that a failure keeps its exit code. */
const END_MS = 1000;
/** Of a program that SIGPIPE has ended, in a shell. */
const NOBODY_READS = 141;

let goesOn = false;

/** For most commands: stop, because nobody reads the rest. @param ended the exit code of the command, once known. */
export function endOnBrokenPipe(ended: Promise<ExitCode>): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") return cannotWrite(error);
      if (goesOn) return;
      void Promise.race([ended, sleep(END_MS, NOBODY_READS)]).then((code) => process.exit(code));
    });
  }
}

/** Ends at once: the output is incomplete in any case, and the exit code says so. */
function cannotWrite({ message }: Error): void {
  try {
    writeSync(2, `weft: the output cannot be written: ${message}\n`);
  } catch {
    // It is stderr itself.
  }
  process.exit(EXIT.failed);
}

/** For a worker: the log is lost, but the running jobs must not be. */
export function goOnAfterBrokenPipe(): void {
  goesOn = true;
}
