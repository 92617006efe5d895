/**
 * `weft metrics`: prints the gauges that Redis holds, once. Counters live in the workers and are served by
 * their endpoints.
 */
import type { Command } from "commander";
import { gaugesSnapshot } from "../../runtime/inspect/index.js";
import { exposition } from "../../runtime/metrics/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { printableLines } from "../output/sanitize.js";
import type { Session } from "../session.js";

export function configure(command: Command, session: Session): void {
  command
    .addHelpText(
      "after",
      "\nJob counts and durations are served by the workers themselves: see weft worker --metrics-port.",
    )
    .action(session.action(() => metrics(session)));
}

async function metrics(session: Session): Promise<ExitCode> {
  const snapshot = await withInspector(session, async ({ inspector }) =>
    gaugesSnapshot(await inspector.readGauges()),
  );
  session.result({ metrics: snapshot }, () => printableLines(exposition(snapshot)));
  return EXIT.ok;
}
