// The tasks of workflow-process.ts, for both sides.
import { defineTask } from "../support/task.js";

export const ADD = defineTask<{ readonly n: number }, number>("math:add", { timeoutMs: 60_000 });
export const UNDO = defineTask<{ readonly n: number }, void>("math:undo", { timeoutMs: 60_000 });
export const QUEUES = [{ name: "default", weight: 1 }];
