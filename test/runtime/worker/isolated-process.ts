// A worker process with isolated tasks, for tests that signal it.
import { runWorker } from "../../../runtime/generated-v1.js";
import { registry } from "./isolated-registry.js";

await runWorker(registry);
