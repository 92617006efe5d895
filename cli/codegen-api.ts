/** The generator, loaded when a command needs it: it is the heaviest part of the package. */
import type { Diagnostic } from "../codegen/model/diagnostic.js";

export interface GenerateResult {
  readonly status: "ok" | "invalid" | "stale";
  readonly diagnostics: readonly Diagnostic[];
  readonly written: readonly string[];
  readonly deleted: readonly string[];
  readonly stubs: readonly string[];
  readonly unchanged: readonly string[];
  readonly elapsedMs: number;
}

export interface CodegenApi {
  generate(options: { readonly root: string; readonly check?: boolean }): Promise<GenerateResult>;
  watch(
    options: { readonly root: string },
    onRun: (result: GenerateResult) => void,
  ): { close(): Promise<void> };
}

export async function loadCodegen(): Promise<CodegenApi> {
  const file = new URL(`../codegen/index${import.meta.url.slice(-3)}`, import.meta.url);
  return (await import(file.href)) as CodegenApi;
}
