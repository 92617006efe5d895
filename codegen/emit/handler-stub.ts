/**
 * The handler file that is created for a task without a handler, by Handlebars. The template only sees values
 * that source-text.ts has escaped. The file is written once: it belongs to the user from then on.
 */
import type { TaskModel } from "../model/project.js";
import type { OutputPaths } from "./output-paths.js";
import { jsdoc, literal, modulePath } from "./source-text.js";

export const STUB_TEMPLATE = `import { {{define}} } from {{indexModule}};

{{comment}}export default {{define}}({{taskName}}, async ({{jobs}}, ctx) => {
  throw ctx.notImplemented();
});
`;

export interface StubValues {
  readonly comment: string;
  /** The function that defines the handler. */
  readonly define: "defineHandler" | "defineBatchHandler";
  readonly indexModule: string;
  readonly jobs: "_job" | "_jobs";
  readonly taskName: string;
}

export async function emitStub(task: TaskModel, paths: OutputPaths): Promise<string> {
  const template = await stubTemplate();
  const { batch } = task.definition;
  return template({
    comment: jsdoc([task.description]),
    define: batch === undefined ? "defineHandler" : "defineBatchHandler",
    // The underscore keeps `noUnusedParameters` and linters content until the handler is written.
    jobs: batch === undefined ? "_job" : "_jobs",
    indexModule: modulePath(paths.stub(task), paths.index),
    taskName: literal(task.definition.name),
  });
}

let compiled: Promise<(values: StubValues) => string> | undefined;

/** Loaded for the first missing handler, because most runs write no stub. */
function stubTemplate(): Promise<(values: StubValues) => string> {
  compiled ??= import("handlebars").then(({ default: handlebars }) =>
    handlebars.compile<StubValues>(STUB_TEMPLATE, {
      knownHelpers: {},
      knownHelpersOnly: true,
      noEscape: true,
      strict: true,
    }),
  );
  return compiled;
}
