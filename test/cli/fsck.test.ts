// `weft fsck`: what it prints and ends with.
import { tmpdir } from "node:os";
import { beforeEach, expect, test } from "vitest";
import { ShardKeys } from "../../runtime/protocol/index.js";
import { startRedis } from "../support/redis.js";
import { inProcess } from "./weft.js";

const redis = await startRedis();
const db = redis.client();
const keys = new ShardKeys();
const weft = (...args: string[]) =>
  inProcess(["fsck", ...args], { cwd: tmpdir(), env: { TASKWEFT_REDIS_URL: redis.url } });

beforeEach(async () => {
  await db.flushdb();
  await db.hset(keys.meta, "queue:default", "1");
  await db.hset(keys.jobs, "lost", '[1,"mail:send","default","0a1b2c3d",0,{"to":"ada"}]');
});

test("tells what is wrong, what was expected, and what a repair would do", async () => {
  expect(await weft()).toEqual({
    code: 1,
    stderr: "",
    stdout: [
      "TW-F01  job lost: a job stands in no index: no worker would run it",
      "        expected active or due or pending (pending), found nowhere",
      "        --repair would leave it in pending:default and nowhere else",
      "",
      "1 jobs, 1 findings",
      "",
    ].join("\n"),
  });
});

test("repairs, and is content afterwards", async () => {
  const repaired = await weft("--repair");
  expect(repaired.stdout).toContain("leave it in pending:default and nowhere else: repaired");
  expect(repaired.stdout).toContain("1 findings, 1 repaired");
  expect(repaired.code).toBe(0);
  expect(await weft()).toEqual({ code: 0, stderr: "", stdout: "1 jobs, 0 findings\n" });
});

test("tells programs", async () => {
  await db.hset(keys.jobs, "lost", '[1,"mail');
  const { code, stdout } = await weft("--repair", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    data: { jobs: 0, counts: { "TW-F05": 1 }, remaining: 1, findings: [{ code: "TW-F05", id: "lost" }] },
  });
});
