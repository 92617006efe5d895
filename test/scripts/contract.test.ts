// What every script promises by its form: the header says what it does and which keys it touches, the wrapper passes
// exactly those, and the server lets it touch no other.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "../../runtime/connection/index.js";
import { ShardKeys } from "../../runtime/protocol/index.js";
import * as scripts from "../../runtime/scripts/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "../../runtime/scripts/index.js";
import { ROOT, type SourceFile } from "../layout/source-files.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { playChild } from "./child-moves.js";
import { bodies, functionsOf, includesOf, nameOf, withoutComments } from "./lua-files.js";
import { A_RECOUNT, A_REGATE, playPause } from "./pause-moves.js";
import { beginStep, newRun, playRun, runCalls } from "./run-moves.js";
import { item, ShardBench } from "./shard-bench.js";
import { playSchedule } from "./schedule-moves.js";
import { ADDING, DRAINING } from "./script-names.js";
import { histories, play } from "./shard-moves.js";
import { playWait } from "./wait-moves.js";

const MAX_LINES = 90;

const page = await readFile(join(ROOT, "docs/protocol.md"), "utf8");

interface Header {
  readonly text: string;
  /** Names of the keys in order; those of the first queue or id included, once. */
  readonly fixed: readonly string[];
  readonly family: readonly string[];
  /** Of those behind the families, which are not always there. */
  readonly rest: readonly string[];
}

function headerOf(file: SourceFile): Header {
  const text = file.text.split("\n\n")[0] ?? "";
  const keys = /^-- KEYS (.*?)^-- ARGV/ms.exec(text)?.[1]?.replaceAll(/\n-- */g, " ") ?? "";
  const [always = "", rest = ""] = keys.split(/then where there are others:/);
  const [fixed = "", family = ""] = always.split(/then for each \w+:/);
  const numbered = [...fixed.matchAll(/(\d+) ([a-z-]+)/g)];
  expect(numbered.map((match) => Number(match[1]))).toEqual(numbered.map((_match, index) => index + 1));
  return {
    text,
    fixed: numbered.map((match) => match[2]!),
    family: [...family.matchAll(/pending|due|wake/g)].map((match) => match[0]),
    rest: [...rest.matchAll(/[a-z-]+/g)].map((match) => match[0]),
  };
}

describe("every script is there", () => {
  test("as a file, a wrapper and in these lists", () => {
    const wrapped = Object.values(scripts).filter((value) => value instanceof Script);
    const names = bodies.map(nameOf).toSorted();
    expect(names).toEqual([...DRAINING, ...ADDING].toSorted());
    expect(wrapped.map((script) => script.name).toSorted()).toEqual(names);
  });
});

describe.each(bodies.map((file) => [nameOf(file), file] as const))("%s.lua", (name, file) => {
  const code = withoutComments(file);

  test("begins with its contract", () => {
    const { text } = headerOf(file);
    expect(file.text.split("\n")[0]).toBe(DRAINING.includes(name) ? "#!lua flags=allow-oom" : "#!lua");
    expect(text).toMatch(new RegExp(`^-- ${name}: [a-z][^]*?\\.\n-- KEYS 1 `, "m"));
    for (const part of ["KEYS 1 ", "ARGV 1 ", "Returns "]) expect(text).toContain(`\n-- ${part}`);
  });

  test("is described in docs/protocol.md with the same keys, and as it behaves at the memory limit", () => {
    const section = new RegExp(`^### ${name}\\b(.*)\\n\\nKeys:([^]*?)\\nArguments:`, "m").exec(page);
    const { fixed, family, rest } = headerOf(file);
    const keys = [...(section?.[2] ?? "").matchAll(/`([a-z-]+)[^`]*`/g)].map((match) => match[1]);
    expect(keys).toEqual([...fixed, ...family, ...rest]);
    expect(section?.[1]?.endsWith("(drains)")).toBe(DRAINING.includes(name));
  });

  test("uses every key that it declares, and no other", () => {
    const { fixed, family } = headerOf(file);
    const literal = [...new Set([...code.matchAll(/\bKEYS\[(\d+)\]/g)].map((match) => Number(match[1])))];
    expect(literal.toSorted((a, b) => a - b)).toEqual(fixed.map((_key, index) => index + 1));
    const steps = [...code.matchAll(/\bKEYS\[q(?: \+ (\d+))?\]/g)].map((match) => Number(match[1] ?? 0));
    expect(new Set(steps)).toEqual(new Set(family.keys()));
    // Where the first queue's keys stand must be said in the code as it is in the header.
    const first = new RegExp(`\\b${fixed.length + 1}\\b`);
    expect(family.length === 0 || first.test(code)).toBe(true);
  });

  test("gives a name to every key that is not always there", () => {
    const { rest } = headerOf(file);
    const names = /^([\w., ]+) =\s+unpack\(KEYS, others\)$/m.exec(code)?.[1]?.split(", ") ?? [];
    expect(names.map((name) => name.replace(/^\w+\./, ""))).toEqual(
      rest.map((key) => (key === "keys-expiry" ? "expiry" : key)),
    );
  });

  test("uses every key that it gives a name", () => {
    const locals = [...code.matchAll(/^local ([\w, ]+) = (KEYS[^\n]+)/gm)].flatMap((match) =>
      match[1]!.split(", ").slice(0, match[2]!.split("KEYS").length - 1),
    );
    const unused = locals.filter((local) => code.split(new RegExp(`\\b${local}\\b`)).length <= 2);
    expect(unused).toEqual([]);
  });

  test("names keys as its header does", () => {
    const { fixed } = headerOf(file);
    for (const match of code.matchAll(/^local ([\w, ]+) = ([^\n]+)/gm)) {
      const locals = match[1]!.split(", ");
      for (const [index, value] of match[2]!.split(", ").entries()) {
        const key = /^KEYS\[(\d+)\]$/.exec(value)?.[1];
        if (key === undefined) continue;
        const declared = fixed[Number(key) - 1];
        expect([declared, declared?.replace(/^(keys|events)-/, ""), `${declared}_key`]).toContain(
          locals[index],
        );
      }
    }
  });

  test("calls redis and nothing else, with keys that it was given", () => {
    const text = [file, ...includesOf(file)].map((part) => part.text).join("\n");
    expect(text).not.toMatch(/\bserver\.|redis\.(?!call\b)|\bmath\.random|\bos\.|\bload(string)?\(/);
    const calls = [...text.matchAll(/redis\.call\(\s*'(\w+)'(?:, ([^,()]+))?/g)];
    expect(calls.length).toBe(text.match(/redis\.call/g)?.length);
    const built = calls.filter(([, command, key = ""]) => command !== "PUBLISH" && /\.\.|^['"]/.test(key));
    expect(built.map(([call]) => call)).toEqual([]);
    expect(text.match(/'PUBLISH', tag \.\. ':finished:' \.\. client, id/g)?.length ?? 0).toBe(
      text.match(/'PUBLISH'/g)?.length ?? 0,
    );
  });

  test(`has at most ${MAX_LINES} lines, and uses what it includes`, () => {
    expect(file.text.trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_LINES);
    for (const library of includesOf(file)) {
      expect(library.text).not.toContain("--@include");
      const functions = functionsOf(library);
      expect(functions.some((one) => code.includes(`${one}(`)) || usedByOthers(file, functions)).toBe(true);
    }
  });
});

function usedByOthers(file: SourceFile, functions: readonly string[]): boolean {
  return includesOf(file).some((library) =>
    functions.some(
      (one) => !library.text.includes(`local function ${one}`) && library.text.includes(`${one}(`),
    ),
  );
}

const AN_EVENT = { event: "e", id: "1", payload: "{}", keepMs: 1, settled: [], open: [] } as const;

const A_MEND = {
  run: "gone",
  queue: "first",
  seen: { record: "", state: "", open: "" },
  target: { runningSince: undefined, removedAt: undefined, open: "" },
  begins: [],
  fields: ["gone a"],
  listeners: { go: ["e"], come: [] },
};
const A_REPIN = { field: "@w h", count: undefined, hasText: false, pinned: 0 };
const A_PURGE = { place: "pending", state: "pending", task: "", most: 1, from: "" } as const;

const REPAIR = {
  seen: { record: "job", run: undefined, owner: undefined },
  target: { record: "keep", run: undefined, active: false, done: undefined, dead: undefined },
  longestSearch: 100,
  keyFields: [],
  keyEndsAt: 1,
} as const;

describe("every wrapper", () => {
  const keys = new ShardKeys("contract");
  const QUEUES = ["first", "second"] as const;
  const quotas = QUEUES.map((queue) => ({ queue, quota: 1 }));
  const job = { keys, id: "j", queue: "first" };
  const worker = { keys, worker: "A" };
  const ended = { outcome: "dead", run: "", ms: 1, keepCancelledMs: 1 } as const;
  const lost = {
    reason: "crashed",
    maxCrashes: 3,
    suspectWaitMs: 1,
    keepMs: 1,
    queues: QUEUES,
    ids: ["j"],
  } as const;
  const claim = { leaseMs: 1, want: 1, inlineUpTo: 1, dropped: [], kept: [], quotas };
  const deploy = { fingerprint: "f", starts: true, patienceMs: 1, schedules: [] };
  const ticks = {
    schedule: "s",
    queue: "first",
    lastMs: 1,
    upToMs: 2,
    overlap: "allow",
    maxPending: 0,
    missedMs: 0,
    group: undefined,
    jobs: [],
  } as const;
  const items = QUEUES.map((queue) => item(queue, { queue }));
  const begun = (queue: string) => beginStep(queue, { queue });
  const repairOf = (id: string) => ({ ...REPAIR, keys, id });

  const calls: Readonly<Record<string, (runner: ScriptRunner) => Promise<unknown>>> = {
    ...runCalls(keys, QUEUES),
    advance: (runner) => scripts.advance(runner, { ...worker, ...claim }),
    await: (runner) => scripts.awaitJob(runner, { ...job, client: "c" }),
    cancel: (runner) => scripts.cancel(runner, { ...job, keepMs: 1 }),
    declare: (runner) => scripts.declare(runner, { keys, ...deploy }),
    discard: (runner) =>
      scripts.discard(runner, { ...worker, jobs: QUEUES.map((queue) => ({ id: queue, queue })) }),
    drain: (runner) => scripts.drain(runner, { keys, kind: "task", name: "a:task", action: "drain" }),
    enqueue: (runner) => scripts.enqueue(runner, { keys, client: "c", slot: 1, call: 1, items }),
    "enqueue-one": (runner) =>
      scripts.enqueue(runner, {
        keys,
        client: "c",
        slot: 1,
        call: 1,
        items: [item("d", { queue: "first" })],
      }),
    fail: (runner) => scripts.fail(runner, { ...worker, ...job, ...ended }),
    heartbeat: (runner) =>
      scripts.heartbeat(runner, { ...worker, leaseMs: 1, about: undefined, queues: QUEUES }),
    "run-alone": (runner) => scripts.runAlone(runner, { ...worker, id: "j" }),
    "keep-event": (runner) => scripts.keepEvent(runner, { keys, ...AN_EVENT }),
    listen: (runner) => scripts.listen(runner, { ...worker, id: "j", name: "w", member: "", timeoutMs: 1 }),
    log: (runner) => scripts.log(runner, { ...worker, maxLines: 1, maxBytes: 1, jobs: [] }),
    "mend-run": (runner) => scripts.mendRun(runner, { ...A_MEND, keys }),
    note: (runner) => scripts.note(runner, { ...worker, jobs: [] }),
    pause: (runner) =>
      scripts.pause(runner, { keys, kind: "task", name: "a:task", action: "pause", queues: QUEUES }),
    purge: (runner) => scripts.purge(runner, { keys, queue: "first", ...A_PURGE }),
    recount: (runner) => scripts.recountGroup(runner, { keys, ...A_RECOUNT, queues: QUEUES }),
    regate: (runner) => scripts.regate(runner, { ...job, ...A_REGATE }),
    reclaim: (runner) => scripts.reclaim(runner, { ...worker, ...lost }),
    remove: (runner) => scripts.remove(runner, job),
    repair: (runner) =>
      scripts.repair(runner, {
        ...repairOf("j"),
        queues: QUEUES.map((name) => ({ name, seen: 0, pending: false, dueAt: undefined })),
      }),
    repin: (runner) => scripts.repin(runner, { keys, ...A_REPIN }),
    retry: (runner) => scripts.retry(runner, job),
    "save-step": (runner) => scripts.saveStep(runner, { ...worker, id: "j", name: "a", result: undefined }),
    suspend: (runner) => scripts.suspend(runner, { keys, schedule: "s", action: "pause" }),
    sweep: (runner) => scripts.sweep(runner, keys, 1),
    take: (runner) => scripts.take(runner, { ...worker, queues: QUEUES }),
    tick: (runner) => scripts.tick(runner, { keys, ...ticks }),
    "tick-run": (runner) =>
      scripts.tickRun(runner, {
        keys,
        ...ticks,
        start: { ...newRun, timeout: undefined, begins: QUEUES.map(begun) },
      }),
  };

  test.each(bodies.map((file) => [nameOf(file), file] as const))(
    "%s passes the keys of the header",
    async (name, file) => {
      const { fixed, family } = headerOf(file);
      let passed: readonly string[] = [];
      const runner: ScriptRunner = {
        run: (script, given) => {
          expect(script.name).toBe(name);
          passed = given;
          return Promise.reject(new Error("seen"));
        },
      };
      await expect(calls[name]!(runner)).rejects.toThrow("seen");
      const each = (queue: string) => family.map((kind) => keyOf(kind, queue));
      expect(passed).toEqual([
        ...fixed.map((kind) => keyOf(kind, "first")),
        ...(family.length > 0 ? QUEUES.flatMap(each) : []),
      ]);
    },
  );

  function keyOf(kind: string, queue: string): string {
    if (kind === "sent") return keys.sent("c", 1);
    return `${keys.tag}:${["pending", "due", "wake"].includes(kind) ? `${kind}:${queue}` : kind}`;
  }
});

describe("a server that grants exactly the declared keys", () => {
  let server: TestRedis;
  let admin: Connection;
  let limited: Connection;

  beforeAll(async () => {
    server = await startRedis();
    admin = new Connection({ url: server.url }, "admin");
    await admin.redis.acl("SETUSER", "limited", "on", ">secret", "+@all");
    limited = new Connection(
      { url: server.url, redis: { username: "limited", password: "secret" } },
      "limited",
    );
  });

  afterAll(() => {
    admin.disconnect();
    limited.disconnect();
  });

  /** Runs each script as a user who may touch the keys of this call, and publish to waiting clients, and nothing else. */
  class ExactKeys implements ScriptRunner {
    readonly seen = new Set<string>();

    async run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
      this.seen.add(script.name);
      const tag = /^\{.*?\}/.exec(keys[0] ?? "")?.[0] ?? "";
      const grants = keys.map((key) => `%RW~${key}`);
      await admin.redis.acl(
        "SETUSER",
        "limited",
        "resetkeys",
        "resetchannels",
        ...grants,
        `&${tag}:finished:*`,
      );
      return await limited.run(script, keys, args);
    }
  }

  test("refuses a script that touches another key", async () => {
    const text = "#!lua\nreturn redis.call('GET', KEYS[1] .. 'x')";
    const liar = { text, sha: "0".repeat(40), name: "liar" };
    await expect(new ExactKeys().run(liar as Script, ["{t}:a"], [])).rejects.toThrow(
      "can't access at least one of the keys",
    );
  });

  test("lets every script do its work, over random histories", { timeout: 60_000 }, async () => {
    const runner = new ExactKeys();
    const bench = new ShardBench(admin, new ShardKeys(), runner);
    const property = fc.asyncProperty(histories, async (history) => {
      await admin.redis.flushdb();
      await play(bench, history);
    });
    // A fixed seed: other histories are the model test's, here every script must have had its turn.
    await fc.assert(property, { numRuns: 120, seed: 1 });
    await playSchedule(bench);
    await bench.redis.flushdb();
    await playPause(bench);
    await admin.redis.flushdb();
    await playRun(bench, runner);
    await playChild(bench, runner);
    expect(await scripts.keepEvent(runner, { keys: bench.keys, ...AN_EVENT })).toBe("KEPT");
    await playWait(bench, runner);
    await bench.register("T");
    await bench.put({ taken: {} });
    expect(await bench.take("T")).toMatchObject({ id: "taken" });
    await bench.put({ lost: { queue: "q" } });
    const place = { name: "q", seen: 1, pending: true, dueAt: undefined };
    const call = { ...REPAIR, keys: bench.keys, id: "lost", queues: [place] };
    expect(await scripts.repair(runner, call)).toBe("REPAIRED");
    expect(await scripts.mendRun(runner, { ...A_MEND, keys: bench.keys })).toBe("REPAIRED");
    expect(await scripts.repin(runner, { ...A_REPIN, keys: bench.keys })).toBe("REPAIRED");
    expect([...runner.seen].toSorted()).toEqual(bodies.map(nameOf).toSorted());
  });
});

test("the text that is sent is the file with its libraries in it", () => {
  for (const file of bodies) {
    const { text, sha } = new Script(nameOf(file));
    expect(sha).toMatch(/^[0-9a-f]{40}$/);
    expect(text).not.toContain("--@include");
    for (const library of includesOf(file)) expect(text).toContain(library.text.trimEnd());
  }
});
