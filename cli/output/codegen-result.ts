/** The result of a codegen run, as text. */
import type { GenerateResult, PendingChange } from "../../codegen/index.js";
import { formatDiagnostics } from "../../codegen/model/diagnostic-format.js";
import type { Colors } from "./colors.js";
import { printable, printableLines } from "./sanitize.js";

/** Problems first, then a summary line. Files are listed only if the user has to look at them. */
export function formatResult(result: GenerateResult, format: "text" | "github", colors: Colors): string {
  const problems = formatDiagnostics(result.diagnostics, format);
  return `${problems}${summary(result, colors)}\n`;
}

function summary(result: GenerateResult, colors: Colors): string {
  const seconds = `${(result.elapsedMs / 1000).toFixed(2)} s`;
  switch (result.status) {
    case "ok":
      return [
        ...result.stubs.map((file) => `new handler: ${file}`),
        `${colors.green("ok")} ${changes(result)} in ${seconds}`,
      ].join("\n");
    case "invalid": {
      const errors = result.diagnostics.filter((diagnostic) => diagnostic.severity === "error").length;
      return colors.red(`${count(errors, "error")}; nothing was written`);
    }
    case "stale":
      return staleSummary(result, colors);
  }
}

function changes(result: GenerateResult): string {
  const parts = [
    ...(result.written.length > 0 ? [`${result.written.length} written`] : []),
    ...(result.deleted.length > 0 ? [`${result.deleted.length} deleted`] : []),
    ...(result.unchanged.length > 0 ? [`${result.unchanged.length} unchanged`] : []),
  ];
  return parts.length === 0 ? "nothing to generate" : `generated/: ${parts.join(", ")}`;
}

const KINDS: Readonly<Record<PendingChange["kind"], string>> = {
  missing: "missing",
  orphan: "to delete",
  stale: "stale",
  stub: "no handler",
};

function staleSummary(result: GenerateResult, colors: Colors): string {
  const lines = result.pending.flatMap(({ path, kind, diff }) => [
    `  ${KINDS[kind].padEnd(10)} ${printable(path)}`,
    ...(diff === undefined ? [] : [colors.dim(indented(diff))]),
  ]);
  return [colors.red("generated/ is not what the definitions say"), ...lines, "run: weft codegen"].join("\n");
}

function indented(text: string): string {
  // The lines come from files that anyone may have edited, so they may contain control characters.
  return printableLines(text.trimEnd()).replaceAll(/^/gm, "      ");
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
