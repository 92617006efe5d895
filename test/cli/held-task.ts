import { defineTask } from "../support/task.js";

export const QUEUES = [{ name: "default", weight: 1 }];
/** Runs until the list `go` of the test's Redis gives it a word. */
export const HELD = defineTask("held:open", { timeoutMs: 60_000 });
