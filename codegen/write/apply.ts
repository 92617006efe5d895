/**
 * Carries out a plan. Each file changes atomically: a reader sees it before or after the change, never
 * half-written.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Plan, PlannedWrite } from "./plan.js";

/**
 * The manifest is replaced last: if a run dies half-way, the next one repeats it, including the deletion of
 * orphans.
 */
export function applyPlan(root: string, plan: Plan, manifest: string): void {
  const writes = [...plan.writes].sort((a, b) => Number(a.path === manifest) - Number(b.path === manifest));
  for (const folder of new Set([...writes, ...plan.stubs].map((write) => path.dirname(write.path)))) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
  const staged: { readonly temporary: string; readonly target: string }[] = [];
  let renamed = 0;
  try {
    for (const write of writes) staged.push(stage(root, write));
    for (const stub of plan.stubs) createStub(root, stub);
    for (const file of plan.deletes) deleteFile(root, file);
    for (; renamed < staged.length; renamed++) {
      const { temporary, target } = staged[renamed]!;
      renameSync(temporary, target);
    }
  } finally {
    for (const { temporary } of staged.slice(renamed)) rmSync(temporary, { force: true });
  }
}

function stage(root: string, write: PlannedWrite): { temporary: string; target: string } {
  const target = path.join(root, write.path);
  // In the same folder, because a rename across file systems is a copy.
  const name = `.${path.basename(target)}.${randomBytes(8).toString("hex")}.tmp`;
  const temporary = path.join(path.dirname(target), name);
  // `wx` does not follow links: a link planted under this name would otherwise be written through and then
  // renamed into place.
  writeFileSync(temporary, write.text, { flag: "wx" });
  return { temporary, target };
}

/** `wx`: a file that was created since the plan is kept. */
function createStub(root: string, stub: PlannedWrite): void {
  try {
    writeFileSync(path.join(root, stub.path), stub.text, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Also deletes folders that became empty. */
function deleteFile(root: string, file: string): void {
  rmSync(path.join(root, file), { force: true });
  const parts = path.dirname(file).split("/");
  for (let length = parts.length; length > 1; length--) {
    try {
      rmdirSync(path.join(root, ...parts.slice(0, length)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOENT") return;
      throw error;
    }
  }
}
