// The demo as a person runs it, with fewer orders. Slow by nature: real processes, retries after a second.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LedgerEntry } from "../../tasks/shop/ledger.js";
import { runProgram, startProgram } from "../support/process.js";
import { startRedis } from "../support/redis.js";
import { ROOT } from "../layout/source-files.js";

// A folder and a server of their own: a demo that a person runs here meanwhile is not disturbed.
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-demo-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function demo(...args: string[]): string[] {
  return ["tools/demo.mjs", "--folder", folder, ...args];
}

async function demoEnv(): Promise<NodeJS.ProcessEnv> {
  return { TASKWEFT_REDIS_URL: (await startRedis()).url };
}

async function readLedger(): Promise<readonly LedgerEntry[]> {
  const text = await readFile(join(folder, "ledger.jsonl"), "utf8");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as LedgerEntry]));
}

describe("npm run demo", () => {
  test("--once accounts for every order and tells what died and why", async () => {
    const args = demo("--once", "--orders", "60", "--rate", "60");
    const output = await runProgram(process.execPath, args, { cwd: ROOT, env: await demoEnv() });
    expect(output).toMatch(/Orders {4}60 placed, all accounted for/);
    // 17 and 34 are declined, 53 stays busy through its retries, 29 and 58 are discontinued; see tasks/shop/weather.ts.
    expect(output).toMatch(/Jobs {6}240: 235 completed, 5 dead, 0 cancelled/);
    expect(output).toMatch(/Dead {8}2 payment:process: CardDeclined/);
    expect(output).toMatch(/Dead {8}1 payment:process: GatewayBusy/);
    expect(output).toMatch(/Dead {8}2 inventory:update: PermanentError/);
    // Every third is a run: 51 is declined, and for 57 the shelf is empty.
    expect(output).toMatch(
      /Checkouts 20 runs: 18 completed, 2 failed, and their goods were put back 2 times/,
    );
    expect(output).toMatch(/Clicks {4}7 double clicks gave the payment or run that was already there/);
    expect([...output.matchAll(/^Worker .* finished [1-9]/gm)]).toHaveLength(3);
  }, 60_000);

  test("--kill: the jobs of a killed worker are finished by the others, each with its lease expiry on record", async () => {
    const args = demo("--once", "--orders", "60", "--rate", "60", "--kill");
    const output = await runProgram(process.execPath, args, { cwd: ROOT, env: await demoEnv() });
    const killed = Number(output.match(/Killed worker (\d+) with SIGKILL/)?.[1]);
    expect(output).toMatch(/Orders {4}60 placed, all accounted for/);
    expect(output).toMatch(/Jobs {6}240: 235 completed, 5 dead, 0 cancelled/);
    expect(output).toMatch(/Checkouts 20 runs: 18 completed, 2 failed/);
    const held = Number(output.match(/while it ran (\d+) jobs/)?.[1]);
    expect(held).toBeGreaterThan(0);
    const ledger = await readLedger();
    const isJob = (entry: LedgerEntry) => entry.what === "finished" && !entry.job.includes(".");
    const finished = new Set(ledger.filter(isJob).map((entry) => "job" in entry && entry.job));
    expect(finished.size).toBe(235);
    expect(ledger.some((entry) => entry.what === "started" && entry.pid === killed)).toBe(true);
    // Claimed ahead and not begun counts as lost too, so it may be more than what ran.
    expect(Number(output.match(/(\d+) lost with their worker/)?.[1])).toBeGreaterThanOrEqual(held);
  }, 120_000);

  test("Ctrl-C stops it cleanly and leaves no process", async () => {
    const running = startProgram(process.execPath, demo(), { cwd: ROOT, env: await demoEnv() });
    await running.printed(/orders [1-9]\d* .*\n/);
    running.signal("SIGINT");
    expect(await running.ended).toEqual({ code: 0, signal: null });
    expect(running.output()).toMatch(/\d+ orders placed, \d+ jobs and \d+ steps of runs finished\./);
    expect(() => process.kill(-running.pid, 0)).toThrow(/ESRCH/);
  }, 60_000);

  test("--folder is not emptied where it holds files of somebody else", async () => {
    const mine = join(folder, "mine");
    await mkdir(mine);
    await writeFile(join(mine, "thesis.md"), "five years of work");
    const args = ["tools/demo.mjs", "--once", "--orders", "1", "--folder", mine];
    const running = startProgram(process.execPath, args, { cwd: ROOT, env: await demoEnv() });
    expect((await running.ended).code).toBe(1);
    expect(running.output()).toContain("--folder: expected an empty folder, or that of an earlier demo");
    expect(await readdir(mine)).toEqual(["thesis.md"]);
  }, 60_000);

  test("an option that makes no sense is refused with what was expected", async () => {
    const running = startProgram(process.execPath, demo("--orders", "many"), { cwd: ROOT });
    expect((await running.ended).code).toBe(1);
    expect(running.output()).toContain('--orders: expected a whole number from 1 to 1000000, got "many"');
  });
});
