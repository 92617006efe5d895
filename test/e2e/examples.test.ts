// The examples as a person runs them, with less to do. What they must show is tested in their own folders.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runProgram, startProgram } from "../support/process.js";
import { startRedis } from "../support/redis.js";
import { ROOT } from "../layout/source-files.js";

async function example(name: string, ...args: string[]): Promise<string> {
  const env = { TASKWEFT_REDIS_URL: (await startRedis()).url };
  return await runProgram(process.execPath, ["tools/example.mjs", name, ...args], { cwd: ROOT, env });
}

describe("npm run example", () => {
  test("agenttrace loses no job and charges no attempt for a stop", async () => {
    const output = await example("agenttrace", "--traces", "40");
    expect(output).toMatch(/40 traces answered .* 0 enqueues lost/);
    expect(output).toMatch(/Dead {7}2 cost:calculate: ModelUnknown/);
    expect(output).toMatch(/Verdict {4}no job lost, no attempt spent/);
  }, 60_000);

  test("hustlex releases every contract once", async () => {
    const output = await example("hustlex", "--contracts", "30", "--kills", "1");
    expect(output).toMatch(/Enqueues {3}150, which made 30 jobs/);
    expect(output).toMatch(/Workers {4}1 killed/);
    expect(output).toMatch(/Ledger {5}30 transfers for 30 contracts: every contract released once/);
  }, 60_000);

  test("observers emits without waiting for any action", async () => {
    const output = await example("observers", "--events", "30", "--slow", "50");
    expect(output).toMatch(/Emit {7}\d+\.\d ms \(median\)/);
    expect(output).toMatch(/Dead {7}6 to the partner that is gone, after 1 attempt each/);
    expect(output).toMatch(/Verdict {4}\d+ completed: all as the rules say/);
  }, 60_000);

  test("taskflow prints depth, rate and memory, and loses no message", async () => {
    const output = await example("taskflow", "--messages", "2000");
    expect(output).toMatch(/^depth \d+ {2}active \d+ {2}handled \d+ {2}\d+ a second {2}memory \d+\.\d MB$/m);
    expect(output).toMatch(/Messages {3}2000 of 2000 handled, 0 left, 0 dead: none lost/);
  }, 60_000);

  test("a name that is none is answered with those that are", async () => {
    const running = startProgram(process.execPath, ["tools/example.mjs", "hustley"], { cwd: ROOT });
    expect((await running.ended).code).toBe(1);
    expect(running.output()).toMatch(/Expected the name of an example \(.*hustlex.*\), got "hustley"/);
  });

  test.each([
    [["--mesages", "30"], 'expected options such as --messages 20000, got "--mesages"'],
    [["--messages", "few"], '--messages: expected a whole number above 0, got "few"'],
  ])("options that cannot be meant are refused without a stack: %j", async (args, told) => {
    const env = { TASKWEFT_REDIS_URL: (await startRedis()).url };
    const command = ["tools/example.mjs", "taskflow", ...args];
    const running = startProgram(process.execPath, command, { cwd: ROOT, env });
    expect((await running.ended).code).toBe(1);
    expect(running.output()).toContain(told);
    expect(running.output()).not.toContain("    at ");
  });

  test("each has an npm start of its own and a line in the table", async () => {
    const table = await readFile(join(ROOT, "examples/README.md"), "utf8");
    const names = [...table.matchAll(/`npm run example -- ([a-z]+)`/g)].map((match) => match[1] ?? "");
    expect(names).toEqual(["agenttrace", "hustlex", "observers", "taskflow"]);
    for (const name of names) {
      const manifest = JSON.parse(await readFile(join(ROOT, "examples", name, "package.json"), "utf8")) as {
        scripts: Record<string, string>;
      };
      expect(manifest.scripts["start"]).toBe(`node ../../tools/example.mjs ${name}`);
    }
  });
});
