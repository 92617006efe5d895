// The task of stepping-process.ts, for both sides.
import { defineTask } from "../../support/task.js";

export const STEPPING = defineTask<{ readonly n: number }, number>("stepping:work", { timeoutMs: 60_000 });
export const QUEUES = [{ name: "default", weight: 1 }];
