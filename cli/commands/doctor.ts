/** `weft doctor`: checks for every known problem and prints how to fix it. */
import type { Command } from "commander";
import { LEVELS, type Finding, type Level } from "../doctor/finding.js";
import { checkCopies, checkDefinitions, checkModuleType, checkNode } from "../doctor/project-checks.js";
import { checkConfig } from "../doctor/config-check.js";
import { checkRedis } from "../doctor/redis-checks.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { Colors } from "../output/colors.js";
import { printableLines } from "../output/sanitize.js";
import type { Session } from "../session.js";

export function configure(command: Command, session: Session): void {
  command
    .addHelpText("after", "\nExit codes: 0 no errors (warnings are possible), 1 at least one error.")
    .action(session.action(() => doctor(session)));
}

async function doctor(session: Session): Promise<ExitCode> {
  const { root } = session;
  const definitions = await checkDefinitions(root);
  // Outside a project, no code imports taskweft, so these checks would mean nothing.
  const hasProject = definitions.length > 1 || definitions[0]?.level !== "warning";
  const config = await checkConfig(session);
  const findings: readonly Finding[] = [
    checkNode(process.version),
    config,
    ...(hasProject ? [await checkModuleType(root), checkCopies(root)] : []),
    ...definitions,
    // Where Redis is would be in what cannot be read.
    ...(config.level === "error" ? [] : await checkRedis(session)),
  ];
  const counts = countLevels(findings);
  session.result({ findings, counts }, () => text(findings, counts, session.colors("stdout")));
  return counts.error > 0 ? EXIT.failed : EXIT.ok;
}

function countLevels(findings: readonly Finding[]): Readonly<Record<Level, number>> {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  return { ok: count("ok"), warning: count("warning"), error: count("error") };
}

function text(findings: readonly Finding[], counts: Readonly<Record<Level, number>>, colors: Colors): string {
  const paint = { ok: colors.green, warning: colors.yellow, error: colors.red };
  const width = Math.max(...LEVELS.map((level) => level.length));
  const lines = findings.flatMap(({ code, level, message, why, fix }) => [
    `${paint[level](level.padEnd(width))}  ${colors.dim(code)}  ${printableLines(message)}`,
    ...(why === undefined ? [] : [`${" ".repeat(width + 10)}${why}`]),
    ...(fix === undefined ? [] : [`${" ".repeat(width + 10)}${printableLines(fix)}`]),
  ]);
  return [...lines, "", `${counts.error} errors, ${counts.warning} warnings`].join("\n");
}
