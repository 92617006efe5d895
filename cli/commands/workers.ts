/** `weft workers`: which processes work for this Redis, where they run, and what they hold. */
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { formatTable } from "../output/table.js";
import { workerColumns } from "../output/worker-text.js";
import type { Session } from "../session.js";

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .description("List the workers with their host, process, queues, running jobs and lease")
    .action(session.action(() => list(session)));
}

async function list(session: Session): Promise<ExitCode> {
  const workers = await withInspector(session, ({ inspector }) => inspector.listWorkers());
  session.result({ workers }, () =>
    workers.length === 0
      ? ""
      : formatTable(workerColumns(Date.now()), workers, session.io.stdout, session.colors("stdout")),
  );
  if (workers.length === 0 && !session.json) session.note("no workers: start one with weft worker");
  return EXIT.ok;
}
