// What the two entries export is a promise to users and to committed generated code: a change to these lists is a decision.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./source-files.js";

const ENTRIES: readonly [file: string, values: string, types: string][] = [
  [
    "runtime/index.ts",
    `
      Cancelled DeclaredError ERROR_CODES EmitIncomplete HandlerCrashed LOG_LEVELS LeaseLost
      MiddlewareInvalid PayloadInvalid PermanentError ShuttingDown StepInvalid TaskweftError
      TimeoutExceeded connect createClient createConsoleLogger createWorker disconnect formatDuration
      loadConfig metricsText parseDuration runWorker workerOptionsFromEnv
    `,
    `
      BatchContext BatchHandler BatchResult CancelOutcome CancelledRunState ClientOptions Config
      Duration EmitFunction EmitOptions EmitResult EmittedJob EnqueueFunction EnqueueOptions
      EnqueueOutcome ErrorCode FailedAction FailedJob Job JobHandle LogLevel Logger Middleware
      PayloadProblem Progress Registry ReplayOptions RunHandle StartFunction StartOptions StartedRunOf
      TaskContext TaskHandler TaskweftClient WaitFor Worker WorkerOptions
    `,
  ],
  [
    "runtime/generated-v1.ts",
    `
      DeclaredError EmitIncomplete PayloadInvalid PermanentError TaskweftError connect createClient
      createDefineBatchHandler createDefineHandler createDefineMiddleware createEmitFunction
      createEnqueueByName createEnqueueFunction createStartFunction createWorker defineAction
      defineContract defineEvent defineRunSchedule defineSchedule defineSchemas defineStart
      defineWorkflow disconnect every fit isolatedIn keyText plain present runWorker some z
    `,
    `
      AnyJob AnyTaskContract BatchContext BatchHandler BatchNames BatchResult CancelOutcome
      CancelledRunState ClientOptions DefineBatchHandler DefineHandler DefineMiddleware
      DefinedBatchHandler DefinedHandler DefinedMiddleware EmitFunction EmitOptions EmitResult
      EmittedJob EnqueueByName EnqueueFunction EnqueueOptions EnqueueOutcome EventDefinition
      FailedAction FailedJob HandlerImports Job JobHandle Middleware ObserverTasks PayloadOf
      QueueDefinition QuickCheck Registry ReplayOptions ResultOf RunHandle RunScheduleDefinition
      ScheduleDefinition SingleNames StartFunction StartOptions StartedRunOf TaskContext TaskContract
      TaskHandler TaskSchemas TaskweftClient UntypedWorkflow WaitsOf WorkflowContract
      WorkflowDefinition
    `,
  ],
];

test.each(ENTRIES)("%s exports what is listed here, by name", async (file, values, types) => {
  const text = await readFile(join(ROOT, file), "utf8");
  const found = { values: [] as string[], types: [] as string[] };
  for (const [, allTypes, list = ""] of text.matchAll(/^export (type )?\{([^}]*)\}/gm)) {
    for (const name of list.split(",").map((part) => part.trim())) {
      if (name === "") continue;
      const isType = allTypes !== undefined || name.startsWith("type ");
      found[isType ? "types" : "values"].push(name.replace(/^type /, ""));
    }
  }
  expect(text).not.toMatch(/^export (?:type )?\*/m);
  expect(found.values.toSorted()).toEqual(words(values));
  expect(found.types.toSorted()).toEqual(words(types));
});

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
