/** The Prometheus text format, version 0.0.4. */
import { FAMILIES, type FamilyName } from "./families.js";
import type { Snapshot } from "./readings.js";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * The families in their defined order, each with its help and type; families without a value are left out.
 */
export function exposition(snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const name of Object.keys(FAMILIES) as FamilyName[]) {
    const series = Object.entries(snapshot[name] ?? {});
    if (series.length === 0) continue;
    const { help, type } = FAMILIES[name];
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [text, value] of series) lines.push(`${text} ${value}`);
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
