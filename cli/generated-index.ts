/**
 * The part of a project's `generated/index.js` that commands call, so that they apply the project's own
 * checks and defaults.
 */
import { identifierOf } from "../codegen/load/check-names.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { generatedEntry } from "./project.js";
import { importProjectFile } from "./typescript.js";

export interface GeneratedIndex {
  connect(options: { url: string; prefix: string; shards: number }): Promise<{ close(): Promise<void> }>;
  enqueue(task: string, payload: unknown, options: Readonly<Record<string, unknown>>): Promise<Handle>;
}

export type StartFunction = (
  input: unknown,
) => Promise<{ readonly id: string; readonly deduplicated: boolean }>;

export interface Handle {
  readonly id: string;
  readonly deduplicated: boolean;
  readonly outcome: "stored" | "existing" | "replaced";
  result(options: { timeout: string }): Promise<unknown>;
}

/** The generated emit function of an event. */
export interface GeneratedEvent {
  readonly event: string;
  replay(
    id: string,
    options: { readonly again?: boolean; readonly observers?: readonly string[] },
  ): Promise<EmitResult>;
}

export interface EmitResult {
  readonly id: string;
  readonly jobs: readonly { observer: string; task: string; id: string; outcome: string }[];
  readonly failed: readonly { observer: string; error: Error }[];
  readonly started: readonly { observer: string; workflow: string; id: string }[];
  readonly runs: readonly string[];
  readonly heardBy: readonly string[];
}

/** The events of the definitions, in their order. */
export function generatedEvents(generated: GeneratedIndex): readonly GeneratedEvent[] {
  return Object.values(generated as unknown as Record<string, unknown>).filter(
    (value): value is GeneratedEvent => typeof value === "function" && "event" in value && "replay" in value,
  );
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

export function startFunctionOf(generated: GeneratedIndex, workflow: string): StartFunction {
  const name = `start${identifierOf(workflow)}`;
  const start = (generated as unknown as Readonly<Record<string, unknown>>)[name];
  if (typeof start === "function") return start as StartFunction;
  throw new CliError("GeneratedStale", `expected ${name}() in generated/index`, {
    exitCode: EXIT.stale,
    fix: "run: weft codegen",
  });
}
