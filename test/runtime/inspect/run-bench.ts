// Runs to be broken, and the auditor that is to find and to mend them.
import { expect, onTestFinished } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector, type Inspector } from "../../../runtime/inspect/index.js";
import type { ShardKeys } from "../../../runtime/protocol/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import type { TestRedis } from "../../support/redis.js";
import { jobOf, value } from "../../support/workflow.js";

/** Handlers hold jobs up for as long as a test looks, on a machine that may be busy. */
export const add = defineTask("math:add", { retry: { maxRetries: 0 } as never, timeoutMs: 600_000 });
export const job = (n = value(1)) => jobOf(add as never, n);

export interface RunBench {
  readonly project: Project;
  readonly inspector: Inspector;
  readonly keys: ShardKeys;
  readonly connection: Connection;
  readonly db: Connection["redis"];
}

export function setupRuns(redis: TestRedis): RunBench {
  const project = setupProject({ redis, tasks: [add] as never });
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const inspector = createInspector({ connection, keys: project.keys });
  return { project, inspector, keys: project.keys, connection, db: connection.redis };
}

export function working(project: Project) {
  return project.worker({ "math:add": ({ payload: { n } }: { payload: { n: number } }) => n } as never);
}

/** Codes of what is found without and with a repair, and of what is left after it. */
export async function mend({
  inspector,
}: RunBench): Promise<Readonly<Record<"found" | "left", readonly string[]>>> {
  const codes = (report: Awaited<ReturnType<typeof inspector.audit>>) =>
    report.findings.map(({ code, repair }) => (repair === undefined ? `${code} by hand` : code));
  const found = codes(await inspector.audit());
  expect(codes(await inspector.audit({ repair: true }))).toEqual(found);
  return { found, left: codes(await inspector.audit()) };
}
