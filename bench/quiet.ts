/** Waiting for other processes to leave the machine alone. */
import { setTimeout as sleep } from "node:timers/promises";
import { nowUs, processCpuUs } from "./clock.js";
import { machineCpuUs } from "./sample.js";

/** A sample during which other processes used more than so many cores says more about them than about the library. */
export const MAX_FOREIGN_CORES = 0.25;
const LOOK_MS = 250;
const LONGEST_WAIT_MS = 5000;

/** Returns when the machine is quiet, or after a few seconds in any case: a busy machine gets marked figures, not none. */
export async function waitForQuiet(): Promise<void> {
  const giveUpAtUs = nowUs() + LONGEST_WAIT_MS * 1000;
  while (nowUs() < giveUpAtUs) {
    const startedAtUs = nowUs();
    const foreignBeforeUs = machineCpuUs() - processCpuUs();
    await sleep(LOOK_MS);
    const foreignUs = machineCpuUs() - processCpuUs() - foreignBeforeUs;
    if (foreignUs / (nowUs() - startedAtUs) <= MAX_FOREIGN_CORES) return;
  }
}
