// Events that are kept: what a replay brings to the observers that there are now, and that it does nothing twice.
import { beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import {
  createEmitFunction,
  defineAction,
  defineEvent,
  defineStart,
  createStartFunction,
  type EmitFunction,
  PayloadInvalid,
  type QuickCheck,
  TaskweftError,
  z,
} from "taskweft/generated-v1";
import type { ObserverDefinition } from "../../../runtime/definition/index.js";
import { parseKeptEvent } from "../../../runtime/protocol/index.js";
import { createInspector, createRedactor, openInspector } from "../../../runtime/inspect/index.js";
import { Connection } from "../../../runtime/connection/index.js";
import { commandCalls, defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { ANYTHING } from "../../support/task.js";
import { endOf, jobOf, path, start, waitStep, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const DAY_MS = 86_400_000;

interface Placed {
  orderId: string;
  total: number;
}
type Rule = ObserverDefinition<Placed>;

const QUEUES = [
  { name: "default", weight: 1 },
  { name: "narrow", weight: 1, maxPending: 1 },
];
const hook = defineTask<{ orderId: string }>("hook:send", { retention: { completedMs: 0, deadMs: DAY_MS } });
const mail = defineTask<{ to: string }>("mail:send", {
  payload: z.strictObject({ to: z.string().min(3) }) as z.ZodType<{ to: string }>,
});
const crm: Rule = { name: "crm", actions: [defineAction(hook, ({ orderId }) => ({ orderId }))] };
const welcome: Rule = { name: "welcome", actions: [defineAction(mail, ({ orderId }) => ({ to: orderId }))] };
const big: Rule = { ...crm, name: "big", when: ({ total }) => total >= 1000 };

const PAYLOAD = z.strictObject({ orderId: z.string(), total: z.number() });

interface EmitterOptions {
  readonly keepMs?: number;
  readonly payload?: () => z.ZodType;
  readonly payloadFits?: QuickCheck;
  readonly waitFields?: readonly (readonly string[])[];
}

function setup(shards = 1) {
  const project = setupProject({ redis, tasks: [hook, mail] as never, queues: QUEUES, shards });
  return { project, ...emitters(project) };
}

function emitters(project: Project) {
  const { client } = project;
  /** The function that a deploy with these observers has. */
  const deploy = (observers: readonly Rule[], { keepMs = DAY_MS, ...options }: EmitterOptions = {}) => {
    const event = { name: "order:placed", payload: () => PAYLOAD, observers, ...options };
    const emit: EmitFunction<Placed, Record<string, string>> = createEmitFunction(
      defineEvent<Placed>(keepMs === 0 ? event : { ...event, keepMs }),
      project.queues,
    );
    return {
      emit: (id: string, event: Partial<Placed> = {}) =>
        emit({ orderId: "A-1", total: 5, ...event }, { client, id }),
      emitMine: (id: string, mine: Placed) => emit(mine, { client, id }),
      replay: (id: string, replayed: Parameters<typeof emit.replay>[1] = {}) =>
        emit.replay(id, { client, ...replayed }),
    };
  };
  return { deploy };
}

async function settledOf(project: Project, id: string): Promise<readonly string[] | undefined> {
  const { raw, keys } = project.shardOf(id);
  const text = await raw.hget(keys.events, `order:placed ${id}`);
  return text === null ? undefined : parseKeptEvent(text)?.settled;
}

let warnings: MockInstance<typeof process.emitWarning>;
beforeEach(() => void (warnings = vi.spyOn(process, "emitWarning").mockImplementation(() => {})));

describe("an event with a retention", () => {
  test("is kept in the round trip of its jobs; one without costs nothing and is not", async () => {
    const { project, deploy } = setup();
    await deploy([crm], { keepMs: 0 }).emit("warm");
    await deploy([crm]).emit("warm-2");
    const calls = (): Promise<number> => commandCalls(project.raw, "evalsha");
    const before = await calls();
    await deploy([crm, welcome], { keepMs: 0 }).emit("plain");
    expect(await calls()).toBe(before + 1);
    await deploy([crm, welcome]).emit("kept");
    // Before that its id was asked for, as an id of the caller's own may be another event's.
    expect(await calls()).toBe(before + 4);
    expect(await settledOf(project, "plain")).toBeUndefined();
    expect(await settledOf(project, "kept")).toEqual(["crm.1", "welcome.1"]);
    const ends = Number(await project.raw.zscore(project.keys.eventsExpiry, "order:placed kept"));
    expect(ends - Date.now()).toBeGreaterThan(DAY_MS - 60_000);
  });

  test("is told as it was at the call, although its caller changes it while its id is asked for", async () => {
    const { project, deploy } = setup();
    const { emitMine } = deploy([crm], { payloadFits: () => true });
    const mine = { orderId: "A-1", total: 5 };
    const emitted = emitMine("mine", mine);
    mine.orderId = "B-2";
    const [job] = (await emitted).jobs;
    expect(await project.raw.hget(project.keys.jobs, job?.id ?? "")).toContain('{"orderId":"A-1"}');
  });

  test("of another content under the same id is refused before anything of it is stored", async () => {
    const { project, deploy } = setup();
    const { emit } = deploy([crm, big]);
    await emit("e");
    const jobs = await project.raw.hlen(project.keys.jobs);
    const settled = await settledOf(project, "e");
    await expect(emit("e", { total: 1006 })).rejects.toMatchObject({
      name: "TaskweftError",
      code: "IdConflict",
      message:
        "IdConflict: the id e belongs to an event order:placed with another content that is kept; nothing of this one was stored. Use another id, or none.",
    });
    expect(await project.raw.hlen(project.keys.jobs)).toBe(jobs);
    expect(await settledOf(project, "e")).toEqual(settled);
    expect((await emit("e")).failed).toEqual([]);
  });
});

describe("a replay", () => {
  test("does what an observer that was added since does, and nothing that has run, though it is forgotten", async () => {
    const { project, deploy } = setup();
    await deploy([crm]).emit("e");
    const ran: string[] = [];
    const note = ({ id }: { id: string }): number => ran.push(id);
    await project.worker({ "hook:send": note, "mail:send": note });
    await until("the job to be gone", async () => (await project.state("e..crm.1")) === "gone");
    const { replay } = deploy([crm, welcome]);
    const first = await replay("e");
    expect(first).toMatchObject({ id: "e", failed: [], started: [], runs: [] });
    expect(first.jobs).toEqual([
      { observer: "welcome", task: "mail:send", id: "e..welcome.1", deduplicated: false, outcome: "stored" },
    ]);
    expect((await replay("e")).jobs).toEqual([]);
    await until("both to have run", () => ran.length === 2);
    expect(ran).toEqual(["e..crm.1", "e..welcome.1"]);
  });

  test("asks the conditions and makes the payloads of now", async () => {
    const { project, deploy } = setup();
    expect((await deploy([big]).emit("e")).jobs).toEqual([]);
    const changed: Rule = {
      ...big,
      when: ({ total }) => total >= 5,
      actions: [defineAction(hook, () => ({ orderId: "new" }))],
    };
    expect((await deploy([changed]).replay("e")).jobs).toHaveLength(1);
    expect(await project.raw.hget(project.keys.jobs, "e..big.1")).toContain('{"orderId":"new"}');
  });

  test("stores what Redis had refused, and what had failed in the producer", async () => {
    const { project, deploy } = setup();
    const narrow: Rule = {
      ...crm,
      name: "narrow",
      actions: [{ ...crm.actions[0]!, queue: "narrow" } as never],
    };
    const throws: Rule = {
      ...welcome,
      when: () => {
        throw new Error("not yet");
      },
    };
    await project.enqueue(hook, { orderId: "first" }, { queue: "narrow" });
    await expect(deploy([crm, narrow, throws]).emit("e")).rejects.toMatchObject({ code: "QueueFull" });
    expect(warnings).toHaveBeenCalledOnce();
    expect(await settledOf(project, "e")).toEqual(["crm.1"]);
    const { replay } = deploy([crm, narrow, welcome]);
    const still = await rejection(replay("e"));
    expect(still).toMatchObject({ code: "QueueFull", eventId: "e", operation: "replay" });
    expect(still.message).toContain(". Replay e: that stores what is missing");
    await project.worker({ "hook:send": () => null, "mail:send": () => null });
    await until("room", async () => (await project.raw.llen(project.keys.queue("narrow").pending)) === 0);
    expect((await replay("e")).jobs.map(({ id }) => id)).toEqual(["e..narrow.1"]);
    expect(await settledOf(project, "e")).toEqual(["crm.1", "welcome.1", "narrow.1"]);
  });

  test("comes to chosen observers only", async () => {
    const { deploy } = setup();
    await deploy([]).emit("e");
    const { replay } = deploy([crm, welcome]);
    expect((await replay("e", { observers: ["welcome"] })).jobs.map(({ id }) => id)).toEqual([
      "e..welcome.1",
    ]);
    expect((await replay("e")).jobs.map(({ id }) => id)).toEqual(["e..crm.1"]);
    await expect(replay("e", { observers: ["wellcome"] })).rejects.toMatchObject({
      code: "OptionInvalid",
      message: expect.stringContaining("observers: expected some of crm, welcome, got") as string,
    });
  });

  test("again, everything runs again, as a new event", async () => {
    const { project, deploy } = setup();
    const { emit, replay } = deploy([crm, welcome]);
    await emit("e");
    const again = await replay("e", { again: true });
    expect(again.id).not.toBe("e");
    expect(again.jobs.map(({ id, outcome }) => [id, outcome])).toEqual([
      [`${again.id}..crm.1`, "stored"],
      [`${again.id}..welcome.1`, "stored"],
    ]);
    expect(await settledOf(project, again.id)).toEqual(["crm.1", "welcome.1"]);
    const { id, jobs } = await replay("e", { again: true, observers: ["crm"] });
    expect(jobs.map(({ observer }) => observer)).toEqual(["crm"]);
    expect((await replay(id)).jobs).toEqual([]);
  });

  test("of an event that is not kept says why, and how to keep the next ones", async () => {
    const { project, deploy } = setup();
    const unkept = deploy([crm], { keepMs: 0 });
    await unkept.emit("e");
    const error = await rejection(unkept.replay("e"));
    expect(error).toBeInstanceOf(TaskweftError);
    expect(error.message).toBe(
      "EventUnknown: no event order:placed with the id e is kept: its definition says no retention. Say one there, such as `retention: 7d`, run `weft codegen`, and what is emitted from then on is kept.",
    );
    expect((await rejection(deploy([crm]).replay("e"))).message).toContain("its retention (1d) has ended");
    await expect(deploy([crm]).replay("no id")).rejects.toMatchObject({ code: "OptionInvalid" });
    // Kept while its definition said so.
    await deploy([]).emit("kept");
    expect((await unkept.replay("kept")).jobs).toHaveLength(1);
    expect(await settledOf(project, "kept")).toEqual(["crm.1"]);
  });

  test("is refused where the schema of now does not take what was emitted", async () => {
    const { project, deploy } = setup();
    await deploy([]).emit("e");
    const payload = () => PAYLOAD.extend({ currency: z.string() });
    const error = await rejection(deploy([crm], { payload }).replay("e"));
    expect(error).toBeInstanceOf(PayloadInvalid);
    expect(error).toMatchObject({ operation: "replay", problems: [{ path: "currency" }] });
    expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
    // One that writes it otherwise finds it under its id all the same.
    const reordered = () =>
      z.strictObject({ total: z.number(), orderId: z.string(), gift: z.boolean().default(false) });
    expect((await deploy([crm], { payload: reordered }).replay("e")).jobs).toHaveLength(1);
    expect((await deploy([crm], { payload: reordered }).replay("e")).jobs).toEqual([]);
  });

  test("does nothing twice of what a later deploy has found taken when it emitted the event again", async () => {
    const { project, deploy } = setup();
    const definition = workflow([{ name: "a", needs: [], job: jobOf(hook as never, path("input")) }]);
    const startIt = createStartFunction<{ orderId: string }, unknown>(
      { definition, input: () => ANYTHING as never },
      project.queues,
    );
    const rules = (text: string): Rule[] => {
      const made = ({ orderId }: Placed): { orderId: string } => ({ orderId: orderId + text });
      return [
        { name: "crm", actions: [defineAction(hook, made)] },
        { name: "flow", actions: [defineStart("test:flow", startIt, made)] },
      ];
    };
    await deploy(rules("")).emit("e");
    const later = deploy(rules(" of a later deploy"));
    const error = await rejection(later.emit("e"));
    expect(error).toMatchObject({ code: "IdConflict", eventId: "e" });
    expect(error.message).toMatch(
      /the job \S+ is there with another payload .*it is not made again\. If it has to be, emit the event under another id\.$/,
    );
    expect(await settledOf(project, "e")).toEqual(["crm.1", "flow.1"]);
    const ran: string[] = [];
    await project.worker({ "hook:send": ({ id }) => void ran.push(id) });
    await until("the job to be gone", async () => (await project.state("e..crm.1")) === "gone");
    expect(await later.replay("e")).toMatchObject({ jobs: [], started: [] });
    expect(ran.filter((id) => id === "e..crm.1")).toHaveLength(1);
  });

  test("twenty at once do once what one does", async () => {
    const { project, deploy } = setup();
    await deploy([]).emit("e");
    const { replay } = deploy([crm, welcome]);
    const results = await Promise.all(Array.from({ length: 20 }, () => replay("e")));
    const stored = results.flatMap(({ jobs }) => jobs.filter(({ outcome }) => outcome === "stored"));
    expect(stored.map(({ id }) => id).toSorted()).toEqual(["e..crm.1", "e..welcome.1"]);
    expect(await settledOf(project, "e")).toEqual(["crm.1", "welcome.1"]);
  });

  test("with several shards finds the event where its id leads", async () => {
    const { project, deploy } = setup(4);
    const { emit } = deploy([crm]);
    const ids = Array.from({ length: 20 }, (_unused, n) => `e-${n}.x`);
    await Promise.all(ids.map((id) => emit(id)));
    const { replay } = deploy([crm, welcome]);
    const results = await Promise.all(ids.map((id) => replay(id)));
    expect(results.map(({ jobs }) => jobs.map(({ id }) => id))).toEqual(
      ids.map((id) => [`${id}..welcome.1`]),
    );
    const counts = await Promise.all(project.shards.map(({ raw, keys }) => raw.hlen(keys.events)));
    expect(counts.every((count) => count > 0 && count < 20)).toBe(true);
    const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards: 4 });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await inspector.listEvents({ limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.events.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect((await inspector.showEvent("order:placed", "e-7.x")).settled).toEqual(["crm.1", "welcome.1"]);
    inspector.close();
  });
});

test("runs that it was to start are started, and runs that began since hear of it", async () => {
  const { project, deploy } = setup();
  // Of another hash than the one that waits: definitions are kept by it.
  const hash = "1b2c3d4e";
  const definition = workflow([{ name: "a", needs: [], job: jobOf(hook as never, path("input")) }], { hash });
  const startIt = createStartFunction<Placed, unknown>(
    { definition, input: () => ANYTHING as never },
    project.queues,
  );
  const starts = defineStart<Placed, Placed>("test:flow", startIt, (event) => event);
  await deploy([]).emit("e");
  const [field, equals] = [["orderId"], path("input", "orderId")];
  const wait = {
    event: "order:placed",
    field,
    equals,
    match: ["==", path("event", ...field), equals] as never,
  };
  const waiting = await start(project, workflow([waitStep("wait", [], wait)]), { orderId: "A-1" }, "later");
  const { replay } = deploy([{ name: "flow", actions: [starts] }], { waitFields: [field] });
  expect((await replay("e", { observers: ["flow"] })).runs).toEqual([]);
  const { runs, started } = await replay("e");
  expect([runs, started]).toEqual([["later"], []]);
  await project.worker({ "hook:send": () => null, "mail:send": () => null });
  expect(await endOf(waiting)).toBe("completed");
  expect((await replay("e", { again: true })).started).toMatchObject([
    { observer: "flow", deduplicated: false },
  ]);
});

test("an operator sees events in pages, and their payloads without what is sensitive", async () => {
  const { project, deploy } = setup();
  const { emit } = deploy([crm]);
  for (const id of ["a", "b", "c"]) await emit(id, { orderId: `secret-${id}` });
  const connection = new Connection({ url: redis.url }, "test", project.keys);
  const schema = { type: "object", properties: { orderId: { type: "string", "x-sensitive": true } } };
  const redactor = createRedactor(new Map(), new Map(), new Map([["order:placed", { event: schema }]]));
  const inspector = createInspector({ connection, keys: project.keys, redactor });
  const page = await inspector.listEvents({ limit: 2 });
  const rest = await inspector.listEvents({ limit: 2, cursor: page.next! });
  expect([...page.events, ...rest.events].map(({ id }) => id).toSorted()).toEqual(["a", "b", "c"]);
  expect(rest.next).toBeUndefined();
  expect((await inspector.listEvents({ event: "order:paid" })).events).toEqual([]);
  const shown = await inspector.showEvent("order:placed", "a");
  expect(shown).toMatchObject({ payload: { orderId: "***", total: 5 }, settled: ["crm.1"], hidden: false });
  const blind = createInspector({ connection, keys: project.keys, redactor: createRedactor(new Map()) });
  expect(await blind.showEvent("order:placed", "a")).toMatchObject({ payload: "***", hidden: true });
  await expect(inspector.showEvent("order:placed", "z")).rejects.toMatchObject({ code: "EventUnknown" });
  connection.disconnect();
});
