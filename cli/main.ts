#!/usr/bin/env node
/** The program `weft`. Everything is in run.ts, which tests call as a function. */
import { processIo } from "./io.js";
import { run } from "./run.js";

// `weft jobs list | head` closes the pipe early; that is not an error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2), processIo());
