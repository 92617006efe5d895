// The types that users see, by their compiler: generated code compiles, and each mistake is an error where it is made.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GOLDEN = path.join(ROOT, "test/golden");
// Inside the package, so that `taskweft/generated-v1` means our own sources.
const WORK = path.join(ROOT, ".weft", `types-${process.pid}`);
const CASES = path.join(ROOT, "test/types/cases");
const BATCH_CASES = path.join(CASES, "batches");
const ESCROW = "tasks/handlers/gig/escrow_release.ts";
const STUB = readFileSync(path.join(GOLDEN, "several-files", ESCROW), "utf8");

const AUDIT = "tasks/handlers/audit/write.ts";
const BATCH_STUB = readFileSync(path.join(GOLDEN, "batches", AUDIT), "utf8");

/** Projects that differ from the golden case `several-files` in one handler, with the errors that this must give. */
const MISTAKES: Readonly<
  Record<string, { readonly handler: string | undefined; readonly errors: readonly string[] }>
> = {
  "missing-handler": { handler: undefined, errors: ["generated/registry.ts TS2307"] },
  "handler-of-another-task": {
    handler: STUB.replace('"gig:escrow_release"', '"invoice:generate"'),
    errors: ["generated/registry.ts TS2322"],
  },
  "no-handler-in-the-file": { handler: "export default 1;\n", errors: ["generated/registry.ts TS2322"] },
  "wrong-result": {
    handler: STUB.replace("throw ctx.notImplemented();", "return { releaseID: ctx.idempotencyKey };"),
    errors: [`${ESCROW} TS2345`],
  },
};

/** The same for the case `batches`: a handler of the wrong kind. */
const KINDS: typeof MISTAKES = {
  "one-job-for-a-batch": {
    handler: BATCH_STUB.replaceAll("defineBatchHandler", "defineHandler"),
    errors: ["generated/registry.ts TS2322", `${AUDIT} TS2345`],
  },
  "wrong-results-of-a-batch": {
    handler: BATCH_STUB.replace(
      "throw ctx.notImplemented();",
      "return _jobs.map((job) => job.payload.event);",
    ),
    errors: [`${AUDIT} TS2345`],
  },
};

/** What a user may and may not write who starts runs; beside the golden case `workflows`. */
const STARTS = `import { startOrderCheckout } from "./generated/index.js";
const input = { orderId: "x", amount: 1, items: [{ sku: "a", quantity: 1 }] };
export async function right(): Promise<string> {
  const run = await startOrderCheckout(input, { id: "order-7" });
  const { receiptId, boxes, mail, notified } = await run.result({ timeout: "5s" });
  const status: "completed" | "failed" | "skipped" = notified;
  const state: "cancelling" | "compensating" | "failing" = await run.cancel();
  return receiptId + (boxes[0]?.box ?? "none") + (mail ?? "none") + status + state;
}
export async function wrong(): Promise<void> {
  // @ts-expect-error a field is missing
  await startOrderCheckout({ orderId: "x", amount: 1 });
  // @ts-expect-error a field of the wrong type
  const run = await startOrderCheckout({ ...input, amount: "1" });
  // @ts-expect-error the step may have been skipped
  const mail: string = (await run.result()).mail;
  // @ts-expect-error the output has no such field
  void (await run.result()).receipt + mail;
}
`;

/** What a user may and may not write who waits for events in a handler; beside the golden case `waits`. */
const WAITS = `import { defineHandler, defineMiddleware, enqueueOrderFulfil, type OrderApprovedEvent } from "./generated/index.js";
import type { TaskContext } from "taskweft";
const helper = (ctx: TaskContext): void => ctx.log.info("any task");
export const right = defineHandler("order:fulfil", async ({ payload: { orderId } }, ctx) => {
  helper(ctx);
  const where = { orderId, kind: "final" } as const;
  const waiting = ctx.waitFor("approval", "order:approved", { where, timeout: "24h" });
  await ctx.step("ask", () => enqueueOrderFulfil({ orderId }));
  const approval: OrderApprovedEvent | undefined = await waiting;
  const [shipped] = await Promise.all([
    ctx.waitFor("shipped", "order:shipped", { where: { orderId }, timeout: 1000 }),
    ctx.step("more", () => 1),
  ]);
  const parcels: number = shipped?.parcels ?? 0;
  return parcels > 0 && approval !== undefined ? { by: approval.by } : {};
});
export const wrong = defineHandler("order:fulfil", async ({ payload: { orderId } }, ctx) => {
  const timeout = "1h";
  // @ts-expect-error the task does not declare that it waits for this event
  await ctx.waitFor("a", "order:seen", { where: { orderId }, timeout });
  // @ts-expect-error a field is missing
  await ctx.waitFor("b", "order:approved", { where: { orderId }, timeout });
  // @ts-expect-error a field that the task does not declare
  await ctx.waitFor("c", "order:shipped", { where: { orderId, parcels: 1 }, timeout });
  // @ts-expect-error a value of another type
  await ctx.waitFor("d", "order:shipped", { where: { orderId: 1 }, timeout });
  // @ts-expect-error a choice that there is not
  await ctx.waitFor("e", "order:approved", { where: { orderId, kind: "last" }, timeout });
  // @ts-expect-error how long it waits is missing
  await ctx.waitFor("f", "order:shipped", { where: { orderId } });
  // @ts-expect-error the event may not have come in time
  const { parcels } = await ctx.waitFor("g", "order:shipped", { where: { orderId }, timeout });
  return { by: String(parcels) };
});
// @ts-expect-error middleware is of every task, and waits for nothing
export const layer = defineMiddleware((_job, ctx) => ctx.waitFor("a", "order:shipped", {}));
`;

const goldenCases = readdirSync(GOLDEN).filter((name) =>
  readdirSync(path.join(GOLDEN, name)).includes("generated"),
);
let errors: ReadonlyMap<string, readonly string[]> = new Map();

beforeAll(async () => {
  for (const name of goldenCases) copyCase(name, name);
  for (const [name, { handler }] of Object.entries(MISTAKES)) {
    copyCase("several-files", name);
    if (handler === undefined) rmSync(path.join(WORK, name, ESCROW));
    else writeFileSync(path.join(WORK, name, ESCROW), handler);
  }
  for (const [name, { handler }] of Object.entries(KINDS)) {
    copyCase("batches", name);
    writeFileSync(path.join(WORK, name, AUDIT), handler ?? "");
  }
  copyCase("workflows", "starts");
  writeFileSync(path.join(WORK, "starts", "starts.ts"), STARTS);
  copyCase("waits", "waits-for");
  writeFileSync(path.join(WORK, "waits-for", "waits.ts"), WAITS);
  copyCase("workflows", "moved-on");
  const types = path.join(WORK, "moved-on/generated/types.ts");
  writeFileSync(types, readFileSync(types, "utf8").replace("reservationId: string", "reservationId: number"));
  copyCase("several-files", "cases");
  copyCase("batches", "batch-cases");
  cpSync(BATCH_CASES, path.join(WORK, "batch-cases"), { recursive: true });
  cpSync(CASES, path.join(WORK, "cases"), { recursive: true, filter: (source) => source !== BATCH_CASES });
  const config = { extends: "../../tsconfig.json", include: ["**/*.ts"], exclude: [] };
  writeFileSync(path.join(WORK, "tsconfig.json"), JSON.stringify(config));
  errors = errorsByProject(await compile());
});

afterAll(() => rmSync(WORK, { recursive: true, force: true }));

test.each(goldenCases)("the generated code of %s compiles under the strictest options", (name) => {
  expect(errors.get(name) ?? []).toEqual([]);
});

test("what is right compiles, and what is wrong does not", () => {
  expect(errors.get("cases") ?? []).toEqual([]);
  expect(errors.get("batch-cases") ?? []).toEqual([]);
});

test("runs are started with what the workflow takes, and give what its steps surely have", () => {
  expect(errors.get("starts") ?? []).toEqual([]);
});

test("handlers wait for what their task declares, by its fields, and may wait in vain", () => {
  expect(errors.get("waits-for") ?? []).toEqual([]);
});

test("a mapping that no longer fits the task on one of its sides is a compile error", () => {
  expect(errors.get("moved-on")).toEqual(["generated/workflows.ts TS2322"]);
});

test.each(Object.entries({ ...MISTAKES, ...KINDS }))(
  "%s is a compile error where it is made",
  (name, mistake) => {
    expect(errors.get(name)).toEqual(mistake.errors);
  },
);

function copyCase(from: string, to: string): void {
  mkdirSync(path.join(WORK, to), { recursive: true });
  cpSync(path.join(GOLDEN, from), path.join(WORK, to), { recursive: true });
}

function compile(): Promise<string> {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    // tsc fails when it finds errors, which is what most of these projects are for: the output tells.
    execFile(process.execPath, [tsc, "-p", WORK, "--pretty", "false"], { cwd: WORK }, (_error, stdout) =>
      resolve(stdout),
    );
  });
}

/** `file TScode` of each error, by the project's folder. */
function errorsByProject(output: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const match of output.matchAll(/^([^/\n(]+)\/([^\n(]+)\(\d+,\d+\): error (TS\d+)/gm)) {
    const [, project = "", file, code] = match;
    found.set(project, [...(found.get(project) ?? []), `${file} ${code}`]);
  }
  return found;
}
