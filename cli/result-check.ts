/**
 * Checks a result supplied by hand against the schema of its task, workflow or event, as the runtime would.
 */
import type { AnyTaskContract } from "../runtime/definition/index.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { readManifest } from "./manifest.js";
import { generatedEntry } from "./project.js";
import { importProjectFile } from "./typescript.js";

/**
 * False if this project does not know the task.
 * @throws CliError `ResultInvalid` with every problem.
 */
export async function checkResult(root: string, task: string, value: unknown): Promise<boolean> {
  if ((await readManifest(root))?.tasks.has(task) !== true) return false;
  const { contracts } = await importProjectFile(generatedEntry(root, "contracts"));
  const contract = (contracts as readonly AnyTaskContract[]).find(({ name }) => name === task);
  const checked = contract?.schemas.result?.().safeParse(value);
  if (checked?.success === false) refuse(checked.error.issues, task);
  return true;
}

/**
 * Like `checkResult` for a step that is a run: checks the output of the workflow. A workflow without an
 * output accepts any value.
 */
export async function checkOutput(root: string, workflow: string, value: unknown): Promise<boolean> {
  const schemas = (await readManifest(root))?.workflows.get(workflow);
  if (schemas === undefined) return false;
  await checkAgainst(schemas.output, workflow, value);
  return true;
}

/** Like `checkResult` for a step that waits for an event: checks the payload of the event. */
export async function checkEvent(root: string, event: string, value: unknown): Promise<boolean> {
  const schemas = (await readManifest(root))?.events.get(event);
  if (schemas === undefined) return false;
  await checkAgainst(schemas.event, event, value);
  return true;
}

async function checkAgainst(schema: unknown, name: string, value: unknown): Promise<void> {
  if (typeof schema !== "object" || schema === null) return;
  const [{ readPlainSchema }, { payloadValidator }] = await Promise.all([
    import("../codegen/load/plain-schema.js"),
    import("../codegen/load/payload-validator.js"),
  ]);
  // Does not use zod's JSON Schema conversion: our patterns use the flag `u`, and our lengths count
  // characters.
  const { root, definitions } = readPlainSchema(schema as Readonly<Record<string, unknown>>);
  const named = new Map(definitions.map((definition) => [definition.name, definition.schema]));
  const validator = payloadValidator(root, (node) => (node.kind === "ref" ? named.get(node.name) : node));
  const checked = validator.safeParse(value);
  if (!checked.success) refuse(checked.error.issues, name);
}

interface Issue {
  readonly message: string;
  readonly path: readonly PropertyKey[];
}

function refuse(issues: readonly Issue[], name: string): never {
  const lines = issues.map(({ path, message }) => `  ${path.map(String).join(".") || "result"}: ${message}`);
  throw new CliError("ResultInvalid", `the result does not fit the schema of ${name}\n${lines.join("\n")}`, {
    exitCode: EXIT.usage,
  });
}
