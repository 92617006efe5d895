/** What to do when the reader of our output has gone away: `weft jobs list | head`, or a `weft dev` that was killed. */

let onBrokenPipe: () => void = () => process.exit(0);

/** For every command: nobody reads the rest, so there is no rest. Not an error of ours. */
export function endOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      onBrokenPipe();
    });
  }
}

/** For a worker: its log is lost, but the jobs that it runs must not be. */
export function goOnAfterBrokenPipe(): void {
  onBrokenPipe = () => undefined;
}
