/** Checks of the protocol version, the workers and the unserved queues that are stored in Redis. */
import type { UnservedQueue, WorkerSummary } from "../../runtime/inspect/index.js";
import { describeError } from "../error-report.js";
import { withInspector } from "../inspection.js";
import { packageVersion } from "../project.js";
import type { Session } from "../session.js";
import { ok, problem, type Finding } from "./finding.js";

export async function checkSystem(session: Session): Promise<readonly Finding[]> {
  try {
    return await withInspector(session, async ({ inspector, manifest }) => {
      const workers = await inspector.listWorkers();
      const unserved = await inspector.listUnservedQueues();
      return [
        workersFinding(workers),
        protocolFinding(await inspector.readProtocol()),
        versionsFinding(workers, packageVersion()),
        ...unservedFindings(workers, unserved, manifest?.queues),
      ];
    });
  } catch (error) {
    const { code, message, fix } = describeError(error);
    const rights = "give the user the rights that TW-D28 names, or correct the prefix";
    const details = {
      why: "nobody can tell what the workers do",
      fix: code === "RedisRefused" ? rights : (fix ?? "see what the error says"),
    };
    return [problem("TW-D27", "error", message, details)];
  }
}

export function protocolFinding({
  stored,
  known,
}: {
  readonly stored: number;
  readonly known: number;
}): Finding {
  if (stored === known) return ok("TW-D29", `the shard is written in protocol ${stored}`);
  return problem(
    "TW-D29",
    "error",
    `the shard is written in protocol ${stored}, this taskweft speaks ${known}`,
    {
      why: "this version neither runs nor shows what another protocol wrote",
      fix: "use the same taskweft version everywhere, or another prefix",
    },
  );
}

/** Workers of early versions did not report their version. */
function versionOf({ about }: WorkerSummary): string {
  const { version } = about;
  return typeof version === "string" ? version : "unknown";
}

/** Versions differ during a rolling deploy; if they keep differing, a deploy was not finished. */
export function versionsFinding(workers: readonly WorkerSummary[], own: string): Finding {
  const alive = workers.filter((worker) => worker.alive);
  const versions = [...new Set(alive.map(versionOf))].toSorted();
  const strange = versions.filter((version) => version !== own);
  if (strange.length === 0) return ok("TW-D32", `taskweft ${own} here and in every worker`);
  return problem("TW-D32", "warning", `workers run taskweft ${versions.join(", ")}; this is ${own}`, {
    why: "the older ones do not know what newer definitions ask for",
    fix: "finish the deploy: restart the older workers on the new version",
  });
}

/**
 * `defined`: queue names of the definitions. While no worker is alive these are left to TW-D27; a worker
 * started next would serve them, but no other queue.
 */
export function unservedFindings(
  workers: readonly WorkerSummary[],
  unserved: readonly UnservedQueue[],
  defined: readonly string[] | undefined,
): readonly Finding[] {
  const isAlive = workers.some((worker) => worker.alive);
  const left = unserved.filter(({ name }) => isAlive || defined?.includes(name) === false);
  if (left.length === 0) return isAlive ? [ok("TW-D34", "workers serve every queue that holds jobs")] : [];
  return left.map(({ name, pending, due, atGate }) =>
    problem(
      "TW-D34",
      "warning",
      `no worker serves the queue ${name}: ${pending} pending, ${due} due later or again, ${atGate} waiting for a limit`,
      {
        why: "they wait for ever, and workflow runs with a step there neither go on, nor end, nor are undone",
        fix: `run: weft worker --queues ${name}, until nothing comes there any more`,
      },
    ),
  );
}

function workersFinding(workers: readonly WorkerSummary[]): Finding {
  const alive = workers.filter((worker) => worker.alive).length;
  if (alive > 0) return ok("TW-D27", `${alive} ${alive === 1 ? "worker is" : "workers are"} alive`);
  return problem("TW-D27", "warning", "no worker is alive", {
    why: "jobs are stored and wait",
    fix: "run: weft worker, or weft dev",
  });
}
