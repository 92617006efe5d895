// The drawing of ARCHITECTURE.md as rules: which part may import which.
import { builtinModules } from "node:module";
import type { Import } from "./source-files.js";

/** Rows of runtime/: an import points to a lower row, or stays inside its own folder. */
const RUNTIME_ROWS: readonly (readonly string[])[] = [
  ["definition", "protocol", "errors", "version"],
  ["config", "metrics", "option-values", "scripts", "workflow"],
  ["cancel", "connection"],
  ["gauges"],
  ["client", "inspect", "worker"],
  ["run-isolated", "run-worker"],
  ["generated-v1", "index"],
];

/** Rows of runtime/worker/, likewise. What is in none of them connects the others. */
const WORKER_ROWS: readonly (readonly string[])[] = [
  ["abort-reasons", "handler", "limits", "logger", "shard-place"],
  ["claims", "leases"],
  ["attempts", "hosts"],
  ["runs", "schedules"],
];

/** Parts of codegen/ and what each may use. */
const CODEGEN_PARTS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  load: ["model"],
  emit: ["model"],
  write: ["emit", "load", "model"],
  index: ["emit", "load", "model", "write"],
};

/** What the other top folders may import, as the first part of a path. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  // The leaves beside the entry of inspect: a command that only prints an error must not load ioredis for it.
  cli: [
    "cli",
    "codegen",
    "runtime/config",
    "runtime/definition",
    "runtime/errors.ts",
    "runtime/inspect",
    "runtime/metrics",
  ],
  generated: ["generated", "tasks/handlers", "tasks/middleware.ts"],
  // Only the projects in examples/ have one.
  src: ["generated/index.ts", "src"],
  tasks: ["generated/index.ts", "src", "tasks"],
};

/** The parts of an example that are a user's project; what runs and tests it (demo/, test/) belongs to this repository. */
const EXAMPLE_PROJECT = /^examples\/[^/]+\/(?=(?:generated|src|tasks)\/)/;

/** Says what is wrong with an import, or undefined when the drawing has that arrow. */
export function violation(found: Import, dependencies: ReadonlySet<string>): string | undefined {
  const reason = problemOf(found, dependencies);
  return reason === undefined ? undefined : `${found.from} imports ${found.specifier}: ${reason}`;
}

function problemOf(found: Import, dependencies: ReadonlySet<string>): string | undefined {
  if (top(found.from) === "examples") return exampleProblem(found, dependencies);
  return found.target === undefined
    ? packageProblem(found, dependencies)
    : arrowProblem(found.from, found.target);
}

/** A project in examples/ follows the rules of the project at the root, and reaches out of its folder nowhere. */
function exampleProblem(found: Import, dependencies: ReadonlySet<string>): string | undefined {
  const [folder] = EXAMPLE_PROJECT.exec(found.from) ?? [];
  if (folder === undefined) return undefined;
  const { target } = found;
  if (target !== undefined && !target.startsWith(folder)) return "it lies outside of the example";
  const inside = { ...found, from: found.from.slice(folder.length), target: target?.slice(folder.length) };
  return problemOf(inside, dependencies);
}

function arrowProblem(from: string, to: string): string | undefined {
  const folder = top(from);
  if (folder === "runtime") return runtimeProblem(from, to);
  if (folder === "codegen") return codegenProblem(from, to);
  const allowed = FOLDERS[folder] ?? [];
  if (allowed.some((path) => to === path || to.startsWith(`${path}/`))) return undefined;
  return `${folder}/ may import only ${allowed.join(", ")}`;
}

function runtimeProblem(from: string, to: string): string | undefined {
  if (top(to) !== "runtime") return "runtime/ may not import anything else of ours";
  const [own, other] = [second(from), second(to)];
  const [ownRow, otherRow] = [rowOf(own), rowOf(other)];
  if (ownRow < 0) return `runtime/${own} has no row; add it to the drawing and to test/layout/layers.ts`;
  if (own === other) return own === "worker" ? workerProblem(from, to) : undefined;
  if (otherRow >= 0 && otherRow < ownRow) return undefined;
  return `row L${ownRow} may import only lower rows, not L${otherRow}`;
}

function workerProblem(from: string, to: string): string | undefined {
  const [own, other] = [third(from), third(to)];
  const [ownRow, otherRow] = [own, other].map((name) => WORKER_ROWS.findIndex((row) => row.includes(name)));
  if (own === other || ownRow! < 0 || (otherRow! >= 0 && otherRow! <= ownRow!)) return undefined;
  return `worker/${own} may import only from its own row of worker/ and lower ones`;
}

function codegenProblem(from: string, to: string): string | undefined {
  if (to.startsWith("runtime/definition/")) return undefined;
  if (top(to) !== "codegen") return "codegen/ may import runtime/definition and nothing else of ours";
  const [own, other] = [second(from), second(to)];
  const allowed = CODEGEN_PARTS[own];
  if (allowed === undefined) return `codegen/${own} has no place in test/layout/layers.ts`;
  return own === other || allowed.includes(other)
    ? undefined
    : `codegen/${own} may import only ${allowed.join(", ") || "itself"}`;
}

/** Everything else asks the connection. These two look at servers that a connection may rightly refuse. */
const KNOWS_IOREDIS = ["cli/doctor/", "cli/redis/", "runtime/connection/"];

function packageProblem(found: Import, dependencies: ReadonlySet<string>): string | undefined {
  const { from, specifier } = found;
  if (specifier.startsWith("node:")) return undefined;
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (builtinModules.includes(name)) return `write node:${name}`;
  if (name === "taskweft") {
    // Generated code uses the package by its name through the versioned door, an application through the open one.
    if (top(from) === "generated" && specifier === "taskweft/generated-v1") return undefined;
    if (top(from) === "src" && specifier === "taskweft") return undefined;
    return "only generated/ uses the package's own name, and only taskweft/generated-v1";
  }
  if (name === "ioredis" && !KNOWS_IOREDIS.some((folder) => from.startsWith(folder))) {
    return `only ${KNOWS_IOREDIS.join(" and ")} know ioredis`;
  }
  return dependencies.has(name) ? undefined : `${name} is not in package.json dependencies`;
}

function rowOf(part: string): number {
  return RUNTIME_ROWS.findIndex((row) => row.includes(part));
}

function top(path: string): string {
  return path.split("/")[0] ?? "";
}

/** The folder or file below the top one, without its ending. */
function second(path: string): string {
  return part(path, 1);
}

/** The same below the second one. */
function third(path: string): string {
  return part(path, 2);
}

function part(path: string, depth: number): string {
  return (path.split("/")[depth] ?? "").replace(/\.ts$/, "");
}

/** One cycle of imports as a list of files, or undefined when there is none. */
export function findCycle(imports: readonly Import[]): readonly string[] | undefined {
  const targets = new Map<string, string[]>();
  for (const { from, target } of imports) {
    if (target !== undefined) targets.set(from, [...(targets.get(from) ?? []), target]);
  }
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | undefined => {
    const seenAt = path.indexOf(file);
    if (seenAt >= 0) return [...path.slice(seenAt), file];
    if (finished.has(file)) return undefined;
    for (const target of targets.get(file) ?? []) {
      const cycle = visit(target, [...path, file]);
      if (cycle) return cycle;
    }
    finished.add(file);
    return undefined;
  };
  for (const file of targets.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}
