/** Opens the view on Redis that `jobs`, `queues` and `doctor` use, and closes it in every case. */
import { Connection } from "../runtime/connection/index.js";
import { createInspector, type Inspector } from "../runtime/inspect/index.js";
import { DEFAULT_PREFIX, ShardKeys } from "../runtime/protocol/index.js";
import { readManifest, redactorFor, type ProjectManifest } from "./manifest.js";
import { reachRedis } from "./redis/reach.js";
import type { Session } from "./session.js";

export interface Inspection {
  readonly inspector: Inspector;
  /** Absent outside a project, or before its first `weft codegen`. */
  readonly manifest: ProjectManifest | undefined;
}

/** A command answers or fails; it never waits for a server to come back. */
const COMMAND_TIMEOUT_MS = 15_000;
const MAX_RECONNECTS = 3;

export async function withInspector<Result>(
  session: Session,
  use: (inspection: Inspection) => Promise<Result>,
): Promise<Result> {
  const url = await session.redisUrl();
  await reachRedis(url);
  const manifest = await readManifest(session.root);
  const redis = {
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: MAX_RECONNECTS,
    retryStrategy: (times: number) => (times > MAX_RECONNECTS ? null : 100),
  };
  const connection = new Connection({ url, redis }, "cli");
  try {
    const inspector = createInspector({
      connection,
      keys: new ShardKeys(prefixOf(session.io.env)),
      queues: manifest?.queues ?? [],
      redactor: redactorFor(manifest),
    });
    return await use({ inspector, manifest });
  } finally {
    connection.disconnect();
  }
}

/** Workers read the same variable: both must look at the same keys. */
export function prefixOf(env: NodeJS.ProcessEnv): string {
  const prefix = env["TASKWEFT_PREFIX"] ?? "";
  return prefix === "" ? DEFAULT_PREFIX : prefix;
}
