/**
 * What other commands use of `generated/manifest.json`: names for suggestions, payloads of schedules, schemas
 * for redaction, and the retention of cancelled jobs.
 */
import { join } from "node:path";
import { didYouMean } from "../runtime/definition/index.js";
import {
  createRedactor,
  type EventJsonSchemas,
  type Redactor,
  type TaskJsonSchemas,
  type WorkflowJsonSchemas,
} from "../runtime/inspect/index.js";
import { printable } from "./output/sanitize.js";
import { readTextFile } from "./project.js";
import type { Session } from "./session.js";

export interface ProjectManifest {
  readonly queues: readonly string[];
  readonly schedules: ReadonlyMap<string, ManifestSchedule>;
  readonly tasks: ReadonlyMap<string, ManifestTask>;
  readonly workflows: ReadonlyMap<string, WorkflowJsonSchemas>;
  readonly events: ReadonlyMap<string, EventJsonSchemas>;
}

/** What `weft schedules run` enqueues or starts. */
export type ManifestSchedule =
  | { readonly task: string; readonly payload: unknown }
  | { readonly workflow: string; readonly input: unknown };

interface ManifestTask extends TaskJsonSchemas {
  /** `retention.dead` in milliseconds; absent in manifests of older versions. */
  readonly keepDeadMs: number | undefined;
}

/**
 * `undefined` if the project has no generated code. An unreadable manifest counts as missing: `weft codegen`
 * writes a new one.
 */
export async function readManifest(root: string): Promise<ProjectManifest | undefined> {
  const text = await readTextFile(join(root, "generated", "manifest.json"));
  const manifest = text === undefined ? undefined : parseObject(text);
  if (manifest === undefined) return undefined;
  const tasks = objectsOf(manifest["tasks"]).flatMap((task): [string, ManifestTask][] => {
    const { name, payload, result } = task;
    return typeof name === "string" ? [[name, { payload, result, keepDeadMs: keepDeadMs(task) }]] : [];
  });
  const queues = objectsOf(manifest["queues"]).flatMap((queue) =>
    typeof queue["name"] === "string" ? [queue["name"]] : [],
  );
  const schedules = objectsOf(manifest["schedules"]).flatMap((schedule): [string, ManifestSchedule][] => {
    const { name, task, payload, workflow, input } = schedule;
    if (typeof name !== "string") return [];
    if (typeof workflow === "string") return [[name, { workflow, input }]];
    return typeof task === "string" ? [[name, { task, payload }]] : [];
  });
  const workflows = objectsOf(manifest["workflows"]).flatMap((workflow): [string, WorkflowJsonSchemas][] => {
    const { name, input, output } = workflow;
    return typeof name === "string" ? [[name, { input, output }]] : [];
  });
  const events = objectsOf(manifest["events"]).flatMap(({ name, payload }): [string, EventJsonSchemas][] =>
    typeof name === "string" ? [[name, { event: payload }]] : [],
  );
  return {
    queues,
    schedules: new Map(schedules),
    tasks: new Map(tasks),
    workflows: new Map(workflows),
    events: new Map(events),
  };
}

function keepDeadMs({ retention }: Record<string, unknown>): number | undefined {
  if (typeof retention !== "object" || retention === null || !("deadMs" in retention)) return undefined;
  return typeof retention.deadMs === "number" ? retention.deadMs : undefined;
}

/**
 * Where nothing was found: says so if the filter names what no definition has. Not an error, because jobs,
 * runs and events outlive their definition; without it, a misspelt name would look as if there were none.
 */
export async function noteUnknownName(
  session: Session,
  kind: "event" | "task" | "workflow",
  name: string | undefined,
): Promise<void> {
  if (name === undefined) return;
  const known: ReadonlyMap<string, unknown> | undefined = (await readManifest(session.root))?.[`${kind}s`];
  if (known === undefined || known.has(name)) return;
  const hint = didYouMean(name, known.keys());
  session.note(`no ${kind} "${printable(name)}" in the definitions${hint === undefined ? "" : `: ${hint}`}`);
}

/**
 * Redacts what the definitions mark as sensitive. Outside a project every payload is hidden, because the
 * schemas are unknown.
 */
export function redactorFor(manifest: ProjectManifest | undefined): Redactor {
  return createRedactor(manifest?.tasks ?? new Map(), manifest?.workflows, manifest?.events);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function objectsOf(value: unknown): readonly Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is Record<string, unknown> => typeof item === "object" && item !== null);
}
