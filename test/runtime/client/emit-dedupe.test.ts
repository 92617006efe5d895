// The jobs of observers whose tasks dedupe: what holds for single enqueues holds for events, beside the ids that make emitting again safe.
import { describe, expect, test } from "vitest";
import {
  createEmitFunction,
  defineAction,
  defineEvent,
  type EmitFunction,
  type EmitResult,
  z,
} from "taskweft/generated-v1";
import { type DedupeRule, latestWins } from "../../../runtime/definition/index.js";
import { parseRecord } from "../../../runtime/protocol/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();

interface Saved {
  user: string;
  text: string;
}
const RULES: readonly DedupeRule[] = [
  { mode: "unfinished" },
  { mode: "waiting" },
  { mode: "throttle", perMs: 60_000 },
  { mode: "replace" },
  { mode: "debounce", waitMs: 30_000 },
];

function setup(dedupe: DedupeRule) {
  const task = defineTask<Saved>("user:index", { dedupe, dedupeKey: ({ user }) => user });
  const plain = defineTask<Saved>("user:log");
  const project = setupProject({ redis, tasks: [task, plain] as never });
  const event = defineEvent<Saved>({
    name: "user:saved",
    payload: () => z.strictObject({ user: z.string(), text: z.string() }),
    observers: [
      { name: "index", actions: [defineAction(task, (saved) => saved)] },
      { name: "log", actions: [defineAction(plain, (saved) => saved)] },
      { name: "other", actions: [defineAction(task, (saved) => ({ ...saved, text: `${saved.text}!` }))] },
    ],
  });
  const emitEvent: EmitFunction<Saved, Record<string, string>> = createEmitFunction(event, project.queues);
  const emit = (id: string, text: string, client = project.client): Promise<EmitResult> =>
    emitEvent({ user: "u", text }, { id, client });
  return { project, task, emit };
}

const told = ({ jobs }: EmitResult): unknown[] => jobs.map(({ id, outcome }) => [id, outcome]);

async function textOf(project: Project, id: string): Promise<string> {
  return (parseRecord((await project.raw.hget(project.keys.jobs, id))!)!.payload as Saved).text;
}

describe.each(RULES.map((rule) => [rule.mode, rule] as const))("%s", (mode, rule) => {
  const again = latestWins(mode) ? "replaced" : "existing";

  test("holds for the observers of one event and of the next", async () => {
    const { project, emit } = setup(rule);
    expect(told(await emit("e1", "a"))).toEqual([
      ["e1..index.1", "stored"],
      ["e1..log.1", "stored"],
      ["e1..index.1", again],
    ]);
    expect(await textOf(project, "e1..index.1")).toBe(again === "replaced" ? "a!" : "a");
    expect(told(await emit("e2", "b"))).toEqual([
      ["e1..index.1", again],
      ["e2..log.1", "stored"],
      ["e1..index.1", again],
    ]);
    expect(await textOf(project, "e1..index.1")).toBe(again === "replaced" ? "b!" : "a");
  });

  test("an event that is emitted again adds nothing, also after its job has another's payload", async () => {
    const { project, emit } = setup(rule);
    await emit("e1", "a");
    await emit("e2", "b");
    const jobs = await emit("e1", "a");
    expect(told(jobs).slice(0, 2)).toEqual([
      ["e1..index.1", "existing"],
      ["e1..log.1", "existing"],
    ]);
    expect(jobs.failed).toEqual([]);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(3);
  });

  test("20 producers that emit at once make one job", async () => {
    const { project, emit } = setup(rule);
    const clients = Array.from({ length: 20 }, () => project.newClient());
    await Promise.all(clients.map((client) => client.ready()));
    const results = await Promise.all(clients.map((client, n) => emit(`e${n}`, `${n}`, client)));
    const jobs = results.flatMap((result) => result.jobs.filter(({ task }) => task === "user:index"));
    expect(jobs.filter(({ outcome }) => outcome === "stored")).toHaveLength(1);
    expect(jobs.filter(({ outcome }) => outcome === again)).toHaveLength(39);
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
  });
});

test("an event emitted again is not indexed anew when its job has run", async () => {
  const { project, task, emit } = setup({ mode: "replace" });
  const ran: string[] = [];
  const note = ({ id }: { readonly id: string }) => ran.push(id);
  await project.worker({ [task.name]: note, "user:log": () => null } as never);
  await emit("e1", "a");
  await until("the job to complete", async () => (await project.state("e1..index.1")) === "completed");
  expect(told(await emit("e1", "a"))[0]).toEqual(["e1..index.1", "existing"]);
  // Its job ran once, with what the third action made of it; that one's own id was never stored, and is now.
  await until(
    "the other action's job to complete",
    async () => (await project.state("e1..other.1")) === "completed",
  );
  expect(ran).toEqual(["e1..index.1", "e1..other.1"]);
});
