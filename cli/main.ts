#!/usr/bin/env node
/** The program `weft`. The logic is in run.ts, so that tests can call it as a function. */
import { endOnBrokenPipe } from "./broken-pipe.js";
import { processIo } from "./io.js";
import { run } from "./run.js";

const ended = run(process.argv.slice(2), processIo());
endOnBrokenPipe(ended);
process.exitCode = await ended;
