/**
 * `weft fsck`: checks, while the system runs, that every job is where it belongs; `--repair` fixes what is
 * safe to fix.
 */
import type { Command } from "commander";
import { FINDING_CODES, type AuditFinding, type AuditReport } from "../../runtime/inspect/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import type { Colors } from "../output/colors.js";
import { printable } from "../output/sanitize.js";
import type { Session } from "../session.js";

interface FsckOptions {
  readonly repair?: boolean;
}

export function configure(command: Command, session: Session): void {
  command
    .option("--repair", "fix what is safe to fix, and report the rest")
    .addHelpText("after", "\nExit codes: 0 no findings, or all repaired; 1 findings remain.")
    .action(session.action((options: FsckOptions) => fsck(options, session)));
}

async function fsck(options: FsckOptions, session: Session): Promise<ExitCode> {
  const repair = options.repair === true;
  const report = await withInspector(session, ({ inspector }) => inspector.audit({ repair }));
  session.result(report, () => reportText(report, session.colors("stdout")));
  return report.remaining > 0 ? EXIT.failed : EXIT.ok;
}

function reportText(report: AuditReport, colors: Colors): string {
  const { findings, jobs, counts, remaining } = report;
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const repaired = all === remaining ? "" : `, ${all - remaining} repaired`;
  return [
    ...findings.flatMap((finding) => findingLines(finding, colors)),
    ...(findings.length < all ? [`and ${all - findings.length} more`] : []),
    ...(all === 0 ? [] : [""]),
    `${jobs} jobs, ${all} findings${repaired}`,
  ].join("\n");
}

const OUTCOMES: Readonly<Record<NonNullable<AuditFinding["outcome"]>, string>> = {
  moved: "not repaired: it has moved meanwhile. Look again",
  repaired: "repaired",
  "too-long": "not repaired: its list is too long to be searched. Look again when it is shorter",
};

function findingLines(finding: AuditFinding, colors: Colors): readonly string[] {
  const { code, id, subject, expected, found, repair, outcome } = finding;
  const about = [...(id === undefined ? [] : [`job ${id}`]), ...(subject === undefined ? [] : [subject])];
  const indent = " ".repeat(code.length + 2);
  const advice =
    repair === undefined
      ? "a person must decide"
      : `${outcome === undefined ? "--repair would " : ""}${repair}`;
  const paint = outcome === "repaired" ? colors.green : colors.red;
  return [
    `${paint(code)}  ${printable(about.join(", "))}: ${FINDING_CODES[code]}`,
    `${indent}expected ${printable(expected)}, found ${printable(found)}`,
    `${indent}${printable(advice)}${outcome === undefined ? "" : `: ${OUTCOMES[outcome]}`}`,
  ];
}
