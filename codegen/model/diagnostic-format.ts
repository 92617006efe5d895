/** Formats diagnostics as text for people, JSON for tools, or workflow commands for GitHub. */
import type { Diagnostic } from "./diagnostic.js";
import { printable } from "./quote.js";

export const DIAGNOSTIC_FORMATS = ["text", "json", "github"] as const;
export type DiagnosticFormat = (typeof DIAGNOSTIC_FORMATS)[number];

/** All diagnostics in one string that ends with a newline; empty (`[]` in JSON) if there are none. */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], format: DiagnosticFormat): string {
  switch (format) {
    case "text":
      return diagnostics.map((diagnostic) => `${formatText(diagnostic)}\n`).join("");
    case "json":
      return `${JSON.stringify(diagnostics, undefined, 2)}\n`;
    case "github":
      return diagnostics.map((diagnostic) => `${formatGithub(diagnostic)}\n`).join("");
  }
}

/** `file:line:col error TW108: message`, then the source line with carets and the hint. */
function formatText(diagnostic: Diagnostic): string {
  const { file, line, column, severity, code, message, frame, hint } = diagnostic;
  const head = `${printable(file)}:${line}:${column} ${severity} ${code}: ${message}`;
  if (frame !== "") return `${head}\n${frame}${hint === undefined ? "" : ` ${hint}`}`;
  return hint === undefined ? head : `${head}\n  ${hint}`;
}

function formatGithub(diagnostic: Diagnostic): string {
  const { file, line, column, endColumn, severity, code, message, hint } = diagnostic;
  const properties = [
    `file=${escapeProperty(file)}`,
    `line=${line}`,
    `col=${column}`,
    ...(endColumn === undefined ? [] : [`endColumn=${endColumn}`]),
    `title=${code}`,
  ];
  return `::${severity} ${properties.join(",")}::${escapeData(hint === undefined ? message : `${message} (${hint})`)}`;
}

/** A raw newline would end the command and let a definition inject commands of its own. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
