// The threads and processes of isolated tasks by themselves: starting, resting, and modules that cannot be loaded.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { PermanentError, StepInvalid, TaskweftError } from "../../../runtime/index.js";
import { Cancelled } from "../../../runtime/worker/abort-reasons.js";
import { inheritedArguments, openChannel } from "../../../runtime/worker/hosts/channel.js";
import {
  decodeError,
  decodeFields,
  encodeError,
  encodeFields,
} from "../../../runtime/worker/hosts/error-text.js";
import { HostPool } from "../../../runtime/worker/hosts/host-pool.js";
import { HostedContext } from "../../../runtime/worker/hosts/hosted-context.js";
import { RecordingLogger, rejection } from "../../support/project.js";
import { signal, until, within } from "../../support/signal.js";

async function moduleOf(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-host-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "registry.mjs");
  await writeFile(file, text);
  return pathToFileURL(file).href;
}

function poolOf(kind: "process" | "thread", module: string): HostPool {
  const pool = new HostPool({
    rule: { in: kind },
    module,
    connection: { url: "redis://127.0.0.1:1" },
    prefix: "none",
    logger: new RecordingLogger(),
  });
  onTestFinished(() => pool.close());
  return pool;
}

describe.each(["thread", "process"] as const)("a %s", (kind) => {
  test("fails whoever waits for it when its module throws, each time anew", async () => {
    const pool = poolOf(kind, await moduleOf("throw new RangeError('no licence');"));
    for (let i = 0; i < 2; i += 1) {
      const error = await within(9000, "the failure", rejection(pool.load(["some:work"])));
      expect(error).toMatchObject({ name: "RangeError", message: "no licence" });
      expect(error.stack).toMatch(/registry\.mjs/);
    }
  });

  test("says so when its module makes no registry, or ends", async () => {
    const empty = await moduleOf("export const registry = {};");
    expect((await rejection(poolOf(kind, empty).load(["some:work"]))).message).toMatch(
      /expected file:.* to make the registry with isolatedIn/,
    );
    const error = await rejection(poolOf(kind, await moduleOf("process.exit(7);")).load(["some:work"]));
    expect(error.message).toBe(`the ${kind} that ran its handlers ended (exit code 7)`);
  });

  test("keeps apart what others send on its wire", async () => {
    const ended = signal<string>();
    const heard: unknown[] = [];
    const channel = openChannel(
      { in: kind },
      { message: (message) => heard.push(message), gone: (how) => ended.send(how) },
    );
    const say = kind === "thread" ? "parentPort.postMessage" : "process.send";
    const module = await moduleOf(
      `import { parentPort } from "node:worker_threads";
       ${say}({ type: "ready" }); ${say}("ready"); ${say}(7);
       setTimeout(() => process.exit(5), 50);`,
    );
    channel.post({ type: "start", module });
    expect(await within(9000, "its end", ended.promise)).toBe("exit code 5");
    expect(heard.map((message) => (message as { type: string }).type)).toEqual(["failed"]);
  });
});

test("a handler file that cannot be loaded fails whoever asks for it, and the host goes on", async () => {
  const door = new URL("../../../runtime/generated-v1.ts", import.meta.url).href;
  const folder = await mkdtemp(join(tmpdir(), "weft-host-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "registry.ts");
  await writeFile(
    file,
    `import { isolatedIn } from ${JSON.stringify(door)};
     isolatedIn(import.meta.url, {
       contracts: ["a:good", "a:bad", "a:other"].map((name) => ({ name, errors: {} })) as never,
       queues: [],
       handlers: {
         "a:good": async () => ({ name: "a:good", handler: () => 1 }),
         "a:bad": () => import("./missing.js" as string),
         "a:other": async () => ({ name: "a:good", handler: () => 1 }),
       } as never,
     });`,
  );
  const pool = poolOf("thread", pathToFileURL(file).href);
  await pool.load(["a:good"]);
  expect((await rejection(pool.load(["a:bad"]))).message).toMatch(/missing/);
  const error = await rejection(pool.load(["a:other"]));
  expect(error).toBeInstanceOf(TaskweftError);
  expect(error).toMatchObject({ code: "OptionInvalid" });
  await pool.load(["a:good"]);
  expect(pool.size).toBe(1);
});

test("a host that rests is ended, and a new one takes the next turn", async () => {
  const door = new URL("../../../runtime/generated-v1.ts", import.meta.url).href;
  const folder = await mkdtemp(join(tmpdir(), "weft-host-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "registry.ts");
  await writeFile(
    file,
    `import { isolatedIn } from ${JSON.stringify(door)};
     isolatedIn(import.meta.url, { contracts: [], queues: [], handlers: {} });`,
  );
  const pool = new HostPool({
    rule: { in: "thread" },
    module: pathToFileURL(file).href,
    connection: {},
    prefix: "none",
    logger: new RecordingLogger(),
    idleMs: 1,
  });
  await pool.load([]);
  expect(pool.size).toBe(1);
  await until("its end", () => pool.size === 0);
  await pool.load([]);
});

test("what a handler asks for after its end is not sent: the host may run another job by then", async () => {
  const sent: string[] = [];
  const job = { id: "1", task: "some:work", queue: "default", payload: {}, attempt: 1, enqueuedAt: 0 };
  const context = new HostedContext(job, job.id, ({ type }) => sent.push(type));
  context.progress(1);
  const begun = context.step("begun", () => 1);
  context.close();
  context.progress(2);
  for (const step of [begun, context.step("late", () => 1), context.sleep("late", "1s")])
    expect(await rejection(step)).toBeInstanceOf(StepInvalid);
  expect(sent).toEqual(["progress", "step"]);
  expect(() => context.progress(Number.NaN)).toThrow(/OptionInvalid: progress/);
});

describe("errors keep between threads", () => {
  const across = (error: unknown): unknown => decodeError(structuredClone(encodeError(error)));

  test("name, message, stack, code and causes", () => {
    const cause = Object.assign(new RangeError("inner"), { code: "ECONNREFUSED" });
    const error = new Error("outer", { cause });
    error.name = "CardDeclined";
    const copy = across(error) as Error;
    expect(copy).toMatchObject({ name: "CardDeclined", message: "outer", stack: error.stack });
    expect(copy.cause).toMatchObject({ name: "RangeError", message: "inner", code: "ECONNREFUSED" });
    expect(copy).not.toBeInstanceOf(PermanentError);
  });

  test("whether they are permanent, and of which of our classes they are", () => {
    class Final extends PermanentError {
      override readonly name = "Final";
    }
    expect(across(new Final("x"))).toBeInstanceOf(PermanentError);
    expect(across(new Cancelled())).toBeInstanceOf(Cancelled);
    expect(across(new TaskweftError("Closed", "x"))).toMatchObject({ code: "Closed" });
    // Somebody else's class of that name is not ours.
    const other = Object.assign(new Error("x"), { name: "StepInvalid" });
    expect(across(other)).not.toBeInstanceOf(PermanentError);
  });

  test("their text, when they are none or have none", () => {
    expect(across("text")).toBe("text");
    expect(across(undefined)).toBe("undefined");
    const hostile = Object.defineProperty(new Error("x"), "message", {
      get: () => {
        throw new Error("y");
      },
    });
    expect((across(hostile) as Error).message).toBe("(a thrown value that has no text)");
    const circular = new Error("round");
    circular.cause = circular;
    expect((across(circular) as Error).message).toBe("round");
  });

  test("also as fields of log lines, where everything else is what JSON keeps", () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const fields = { n: 1, none: undefined, at: new Date(0), fn: Math.max, circular, error: new Error("x") };
    expect(decodeFields(structuredClone(encodeFields(fields)))).toEqual({
      n: 1,
      none: undefined,
      at: "1970-01-01T00:00:00.000Z",
      fn: "function max() { [native code] }",
      circular: "[object Object]",
      error: new Error("x"),
    });
  });
});

test("a child process inherits loaders and limits, but neither the debugger nor the program", () => {
  const own = [
    "--inspect=9229",
    "--inspect-brk",
    "-e",
    "go()",
    "--eval=go()",
    "--input-type=module",
    "--watch",
  ];
  const kept = ["--import", "file:///loader.mjs", "--conditions=taskweft-source", "--max-old-space-size=64"];
  expect(inheritedArguments([...own, ...kept, "-p", "1 + 1"])).toEqual(kept);
});
