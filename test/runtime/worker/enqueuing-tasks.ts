import { defineTask } from "../../support/task.js";

export const QUEUES = [{ name: "default", weight: 1 }];
export const FIRST = defineTask("chain:first");
export const SECOND = defineTask("chain:second");
