/** Opens the inspector that `jobs`, `queues` and `doctor` use, and always closes it. */
import { openInspector, type Inspector } from "../runtime/inspect/index.js";
import { readManifest, redactorFor, type ProjectManifest } from "./manifest.js";
import { reachShards } from "./redis/reach.js";
import type { Session } from "./session.js";

export interface Inspection {
  readonly inspector: Inspector;
  /** Absent outside a project, or before its first `weft codegen`. */
  readonly manifest: ProjectManifest | undefined;
}

export async function withInspector<Result>(
  session: Session,
  use: (inspection: Inspection) => Promise<Result>,
): Promise<Result> {
  const url = await session.redisUrl();
  // Reports the usual mistakes (no server, wrong password, old server) with advice before the inspector is
  // opened.
  const prefix = await session.prefix();
  const shards = await reachShards(url, prefix, await session.saidShards());
  const manifest = await readManifest(session.root);
  const inspector = openInspector({
    url,
    prefix,
    shards,
    queues: manifest?.queues ?? [],
    tasks: [...(manifest?.tasks.keys() ?? [])],
    redactor: redactorFor(manifest),
    keepCancelledMs: (task) => manifest?.tasks.get(task)?.keepDeadMs,
  });
  try {
    return await use({ inspector, manifest });
  } finally {
    inspector.close();
  }
}
