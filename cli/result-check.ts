/** Checks a result that a person supplies against the schema of its task, by the project's own generated code. */
import type { AnyTaskContract } from "../runtime/definition/index.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { readManifest } from "./manifest.js";
import { generatedEntry } from "./project.js";
import { importProjectFile } from "./typescript.js";

/** False where nothing here knows the task. @throws CliError `ResultInvalid` with every problem. */
export async function checkResult(root: string, task: string, value: unknown): Promise<boolean> {
  if ((await readManifest(root))?.tasks.has(task) !== true) return false;
  const { contracts } = await importProjectFile(generatedEntry(root, "contracts"));
  const contract = (contracts as readonly AnyTaskContract[]).find(({ name }) => name === task);
  const checked = contract?.schemas.result?.().safeParse(value);
  if (checked?.success !== false) return true;
  const lines = checked.error.issues.map(
    ({ path, message }) => `  ${path.map(String).join(".") || "result"}: ${message}`,
  );
  throw new CliError("ResultInvalid", `the result does not fit the schema of ${task}\n${lines.join("\n")}`, {
    exitCode: EXIT.usage,
  });
}
