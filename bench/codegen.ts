/**
 * How long the generator takes for 500 tasks in ten files: `npm run bench:codegen`. Whole commands in processes of their own, as a
 * user starts them, and saves under watch, from the write of the file to the end of the run.
 */
import { execFileSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { watch } from "taskweft/codegen";

const WEFT = path.resolve(import.meta.dirname, "../dist/cli/main.js");
const FILES = 10;
const TASKS_A_FILE = 50;
const ROUNDS = 7;

function taskText(file: number, task: number): string {
  return `  domain${file}:task${task}:
    description: Does thing ${task}.
    timeout: 30s
    retry: { maxRetries: 3 }
    payload: { orderId: uuid, amount: integer, field${task}: string? }
`;
}

function makeProject(root: string): void {
  mkdirSync(path.join(root, "tasks"));
  writeFileSync(path.join(root, "package.json"), '{ "type": "module" }\n');
  for (let file = 0; file < FILES; file++) {
    const tasks = Array.from({ length: TASKS_A_FILE }, (_, index) => taskText(file, index));
    writeFileSync(path.join(root, `tasks/domain${file}.yaml`), `version: 1\ntasks:\n${tasks.join("")}`);
  }
}

function commandMs(root: string, removed: readonly string[]): number {
  for (const folder of removed) rmSync(path.join(root, folder), { recursive: true, force: true });
  const startedAt = performance.now();
  execFileSync(process.execPath, [WEFT, "codegen"], { cwd: root });
  return performance.now() - startedAt;
}

/** Each save renames a field of one task. */
async function saveMs(root: string): Promise<number[]> {
  const runs = new EventEmitter();
  let ended = once(runs, "end");
  const watcher = watch({ root }, () => runs.emit("end"));
  await ended;
  const file = path.join(root, "tasks/domain3.yaml");
  const text = readFileSync(file, "utf8");
  const times: number[] = [];
  for (let round = 0; round < 3 * ROUNDS; round++) {
    ended = once(runs, "end");
    const startedAt = performance.now();
    writeFileSync(file, text.replace("field7:", `field7x${round}:`));
    await ended;
    times.push(performance.now() - startedAt);
  }
  await watcher.close();
  return times;
}

function print(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b).map((ms) => Math.round(ms));
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  process.stdout.write(`${what.padEnd(44)} ${median} ms (${sorted[0]} to ${sorted.at(-1)})\n`);
}

const root = mkdtempSync(path.join(tmpdir(), "weft-bench-codegen-"));
try {
  makeProject(root);
  const rounds = Array.from({ length: ROUNDS });
  process.stdout.write(`${FILES * TASKS_A_FILE} tasks in ${FILES} files, median (spread)\n`);
  print(
    "everything new, with 500 handler stubs",
    rounds.map(() => commandMs(root, ["generated", "tasks/handlers"])),
  );
  print(
    "everything new, handlers there",
    rounds.map(() => commandMs(root, ["generated"])),
  );
  print(
    "nothing to write",
    rounds.map(() => commandMs(root, [])),
  );
  print("watch: one file saved, until the run has ended", await saveMs(root));
} finally {
  rmSync(root, { recursive: true, force: true });
}
