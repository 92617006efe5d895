/** What commands use of a project's `generated/index.js`: the same checks and defaults as in the project's programs. */
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { generatedEntry } from "./project.js";
import { importProjectFile } from "./typescript.js";

export interface GeneratedIndex {
  connect(options: { url: string; prefix: string; shards: number }): Promise<{ close(): Promise<void> }>;
  enqueue(task: string, payload: unknown, options: Readonly<Record<string, unknown>>): Promise<Handle>;
}

export interface Handle {
  readonly id: string;
  readonly deduplicated: boolean;
  readonly outcome: "stored" | "existing" | "replaced";
  result(options: { timeout: string }): Promise<unknown>;
}

export async function importGenerated(root: string): Promise<GeneratedIndex> {
  const file = generatedEntry(root, "index");
  const loaded = await importProjectFile(file);
  if (typeof loaded["connect"] === "function" && typeof loaded["enqueue"] === "function") {
    return loaded as unknown as GeneratedIndex;
  }
  throw new CliError("GeneratedStale", `expected connect() and enqueue() in ${file}`, {
    exitCode: EXIT.stale,
    fix: "run: weft codegen",
  });
}
