// Workflow runs on the command line: a list, and one run with what became of its steps.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { defineTask, type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { childOf, children, endOf, jobOf, start, value, waitStep, workflow } from "../support/workflow.js";
import { inProcess, installInto, weft, type WeftResult } from "./weft.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "weft-runs-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const job = (n = 1) => jobOf(add as never, value(n));

function setup(): { project: Project; call: (...args: string[]) => Promise<WeftResult> } {
  const project = setupProject({ redis, tasks: [add] as never });
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  return { project, call: (...args) => inProcess(args, { cwd: folder, env }) };
}

function failsBelowZero({ payload: { n } }: { payload: { n: number } }): number {
  if (n < 0) throw new PermanentError("no");
  return n;
}

/** A project of a user, with these definitions. */
async function ownProject(definitions: string): Promise<string> {
  const own = await mkdtemp(join(folder, "own-"));
  await mkdir(join(own, "tasks"));
  await installInto(own);
  await writeFile(join(own, "package.json"), '{ "type": "module" }');
  await writeFile(join(own, "tasks", "math.yaml"), definitions);
  return own;
}

test("are listed with why they failed, and shown with their steps", async () => {
  const { project, call } = setup();
  await project.worker({ "math:add": failsBelowZero } as never);
  const steps = [
    { name: "a", needs: [], job: job() },
    { name: "b", needs: ["a"], job: job(-1) },
    { name: "c", needs: ["b"], job: job() },
  ];
  await endOf(await start(project, workflow(steps), { n: 1 }, "order-7"));
  const { stdout } = await call("runs", "list");
  expect(stdout).toMatch(/^order-7 +test:flow +failed .* step b failed: PermanentError$/m);
  const shown = (await call("runs", "show", "order-7")).stdout;
  expect(shown).toMatch(/^error +step b failed: PermanentError$/m);
  expect(shown).toMatch(/^ {4}failure +\*\*\*$/m);
  expect(shown).toMatch(/^ {2}a {2}completed in \d+ ms at /m);
  expect(shown).toMatch(/^ {2}c {2}not-begun$/m);
  expect(shown).toContain("hidden: no generated/manifest.json here knows test:flow");
  const json = JSON.parse((await call("runs", "show", "order-7", "--json")).stdout) as { data: object };
  expect(json.data).toMatchObject({ id: "order-7", input: "***", steps: [{ result: "***" }, {}, {}] });
  expect((await call("runs", "list", "--state", "completed")).stderr).toBe("no runs\n");
});

test("that are steps of others say so, in lists and where one is shown", async () => {
  const { project, call } = setup();
  await project.worker({ "math:add": failsBelowZero } as never);
  const inner = workflow([{ name: "a", needs: [], job: job(-1) }], { name: "test:inner", hash: "1a2b3c4d" });
  const steps = [
    { name: "ship", needs: [], ...childOf(inner), onFailure: "continue" as const },
    { name: "each", needs: ["ship"], forEach: value([1, 2]), ...childOf(inner) },
  ];
  await endOf(await start(project, workflow(steps, children(inner)), {}, "o42"));
  const listed = (await call("runs", "list", "--parent", "o42")).stdout;
  expect(listed).toMatch(
    /^o42\.ship-1 +test:inner +failed .* step ship of o42, .*step a failed: PermanentError$/m,
  );
  expect(listed).toMatch(/^o42\.each-1\.0 +test:inner +failed .* step each\.0 of o42, /m);
  expect(listed).not.toMatch(/^o42 /m);
  expect((await call("runs", "list", "--roots")).stdout).not.toMatch(/^o42\./m);
  const shown = (await call("runs", "show", "o42")).stdout;
  expect(shown).toMatch(
    /^error +step each failed: item \d: RunFailed: o42\.each-1\.\d: step a failed: PermanentError$/m,
  );
  expect(shown).toMatch(/^ {2}ship {2}failed .*\n {4}workflow +test:inner\n {4}run +o42\.ship-1\n/m);
  expect(shown).toMatch(/^ {4}runs +o42\.each-1\.N, with the number of the item$/m);
  expect((await call("runs", "show", "o42.ship-1")).stdout).toMatch(/^step of +o42, as ship$/m);
  const refused = await call("runs", "retry", "o42.ship-1");
  expect([refused.code, refused.stdout]).toEqual([5, expect.stringContaining("call weft runs retry o42")]);
});

test("are cancelled and retried, each with a line of its own", async () => {
  const { project, call } = setup();
  const flow = workflow([{ name: "a", needs: [], job: job() }]);
  for (const id of ["one", "two"]) await start(project, flow, {}, id);
  const cancelled = await call("runs", "cancel", "one", "nobody");
  expect(cancelled.code).toBe(4);
  expect(cancelled.stdout).toMatch(/^one {2}cancelling: running steps are stopped/m);
  expect(cancelled.stdout).toMatch(/^nobody {2}RunNotFound: /m);
  const running = await call("runs", "retry", "two");
  expect([running.code, running.stdout]).toEqual([
    5,
    expect.stringContaining("two is running: only runs that"),
  ]);
  await project.worker({ "math:add": failsBelowZero } as never);
  await endOf(await start(project, flow, {}, "one"));
  expect(await call("runs", "retry", "one", "--json")).toMatchObject({ code: 0 });
  expect(await endOf(await start(project, flow, {}, "one"))).toBe("completed");
});

test(
  "go on without a step, whose result is checked where its task is known",
  { timeout: 60_000 },
  async () => {
    const { project, call } = setup();
    await project.worker({ "math:add": failsBelowZero } as never);
    const flow = workflow([{ name: "a", needs: [], job: job(-1) }], {
      output: ["path", "steps", "a", "result"],
    });
    for (const id of ["here", "there"]) await endOf(await start(project, flow, {}, id));
    expect((await call("runs", "skip", "there", "a", "{")).stderr).toContain("ResultNotJson");
    const unchecked = await call("runs", "skip", "there", "a", "7");
    expect(unchecked.stdout).toBe("there  retrying, without a\n");
    expect(unchecked.stderr).toContain("not checked");
    expect(await (await start(project, flow, {}, "there")).result()).toBe(7);

    const own = await ownProject(
      "version: 1\ntasks:\n  math:add:\n    payload: { n: integer }\n    result: { sum: integer }\n",
    );
    const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
    expect(await inProcess(["codegen"], { cwd: own, env })).toMatchObject({ code: 0 });
    const skip = (result: string) => weft(["runs", "skip", "here", "a", result], { cwd: own, env });
    const refused = await skip('{ "sum": "x" }');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/ResultInvalid.*\n +sum: /)]);
    expect((await skip('{ "sum": 3 }')).stderr).toBe("");
    expect(await (await start(project, flow, {}, "here")).result()).toEqual({ sum: 3 });
  },
);

test(
  "go on without a step that is a run, whose result is checked where its workflow is known",
  { timeout: 60_000 },
  async () => {
    const { project } = setup();
    await project.worker({ "math:add": failsBelowZero } as never);
    const inner = workflow([{ name: "a", needs: [], job: job(-1) }], {
      name: "math:inner",
      hash: "11111111",
    });
    const flow = workflow([{ name: "down", needs: [], ...childOf(inner) }], {
      output: ["path", "steps", "down", "result"],
      ...children(inner),
    });
    expect(await endOf(await start(project, flow, {}, "r"))).toBe("RunFailed");
    const own = await ownProject(
      "version: 1\ntasks:\n  math:add: { payload: { n: integer }, result: { sum: integer } }\nworkflows:\n" +
        '  math:inner: { input: {}, steps: { a: { task: math:add, with: { n: 1 } } }, output: { all: "${{ steps.a.result }}" } }\n',
    );
    const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
    expect(await inProcess(["codegen"], { cwd: own, env })).toMatchObject({ code: 0 });
    const misspelt = await inProcess(["runs", "list", "--workflow", "math:iner"], { cwd: own, env });
    expect(misspelt.stderr).toBe(
      'no runs\nno workflow "math:iner" in the definitions: did you mean "math:inner"?\n',
    );
    const skip = (result: string) => inProcess(["runs", "skip", "r", "down", result], { cwd: own, env });
    const refused = await skip('{ "all": { "sum": "x" } }');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/ResultInvalid.*schema of math:inner\n +all\.sum: /),
    ]);
    expect((await skip('{ "all": { "sum": 3 } }')).stderr).toBe("");
    expect(await (await start(project, flow, {}, "r")).result()).toEqual({ all: { sum: 3 } });
  },
);

test("go on without a step that waited in vain, whose result is checked where its event is known", async () => {
  const { project, call } = setup();
  await project.worker({ "math:add": failsBelowZero } as never);
  const flow = workflow([waitStep("wait", [], { timeoutMs: 1 })], {
    output: ["path", "steps", "wait", "result"],
  });
  for (const id of ["vain", "known"]) {
    expect(await endOf(await start(project, flow, { key: 1 }, id))).toBe("RunFailed");
  }
  const skipped = await call("runs", "skip", "vain", "wait", '{ "by": "ada" }', "--json");
  expect(JSON.parse(skipped.stdout)).toMatchObject({ data: { checked: false } });
  expect(await (await start(project, flow, { key: 1 }, "vain")).result()).toEqual({ by: "ada" });

  const own = await ownProject("version: 1\ntasks: {}\nevents:\n  test:event: { payload: { by: string } }\n");
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  expect(await inProcess(["codegen"], { cwd: own, env })).toMatchObject({ code: 0 });
  const skip = (result: string) => inProcess(["runs", "skip", "known", "wait", result], { cwd: own, env });
  const refused = await skip('{ "by": 1 }');
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/ResultInvalid.*schema of test:event\n +by: /),
  ]);
  expect((await skip('{ "by": "ada" }')).stderr).toBe("");
  expect(await (await start(project, flow, { key: 1 }, "known")).result()).toEqual({ by: "ada" });
});
