// Replays of events whose emit went wrong: what Redis got after all is not done again.
import { expect, test } from "vitest";
import {
  createEmitFunction,
  defineAction,
  defineEvent,
  type EmitFunction,
  type EmitIncomplete,
  type EmitOptions,
  z,
} from "taskweft/generated-v1";
import type { ObserverDefinition } from "../../../runtime/definition/index.js";
import { parseKeptEvent } from "../../../runtime/protocol/index.js";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const DAY_MS = 86_400_000;

interface Placed {
  readonly orderId: string;
}
type Rule = ObserverDefinition<Placed>;

const hook = defineTask<Placed>("hook:send", { retention: { completedMs: 0, deadMs: DAY_MS } });
const crm: Rule = { name: "crm", actions: [defineAction(hook, ({ orderId }) => ({ orderId }))] };
const welcome: Rule = { ...crm, name: "welcome" };

function setup() {
  const project = setupProject({ redis, tasks: [hook] as never });
  const emitterOf = (observers: readonly Rule[], client = project.client) => {
    const payload = () => z.strictObject({ orderId: z.string() });
    const emit: EmitFunction<Placed, Record<string, string>> = createEmitFunction(
      defineEvent<Placed>({ name: "order:placed", payload, observers, keepMs: DAY_MS }),
      project.queues,
    );
    return {
      emit: (options: EmitOptions = {}) => emit({ orderId: "A-1" }, { client, ...options }),
      replay: (id: string) => emit.replay(id, { client }),
    };
  };
  return { project, emitterOf };
}

async function settledOf({ raw, keys }: Project, id: string): Promise<readonly string[] | undefined> {
  return parseKeptEvent((await raw.hget(keys.events, `order:placed ${id}`)) ?? "")?.settled;
}

/** Runs what there is; resolves to the ids of the jobs that ran when this one is gone. */
async function ranUntilGone(project: Project, id: string): Promise<readonly string[]> {
  const ran: string[] = [];
  await project.worker({ "hook:send": (job) => void ran.push(job.id) });
  await until("the job to be gone", async () => (await project.state(id)) === "gone");
  return ran;
}

test("what is stored, but not as durable as was asked for, is not done again", async () => {
  const { project, emitterOf } = setup();
  const { emit, replay } = emitterOf([crm]);
  const error = await rejection(emit({ id: "e", durability: "replicated" }));
  expect(error).toMatchObject({ code: "DurabilityNotReached", jobId: "e..crm.1" });
  expect(await settledOf(project, "e")).toEqual(["crm.1"]);
  const ran = await ranUntilGone(project, "e..crm.1");
  expect((await replay("e")).jobs).toEqual([]);
  expect(ran).toEqual(["e..crm.1"]);
});

test("what Redis got after the emit had given up is not done again", async () => {
  const { project, emitterOf } = setup();
  const proxy = await startProxy(redis.port);
  const client = project.newClient({ url: proxy.url, deadline: "200ms" });
  const { emit, replay } = emitterOf([crm], client);
  await emit();
  proxy.stall();
  const { code, eventId } = (await rejection(emit())) as EmitIncomplete;
  expect(code).toBe("OutcomeUnknown");
  proxy.heal();
  // The connection keeps the order: what it still held is done before this.
  await emit();
  expect(await settledOf(project, eventId)).toEqual(["crm.1"]);
  const ran = await ranUntilGone(project, `${eventId}..crm.1`);
  expect((await replay(eventId)).jobs).toEqual([]);
  expect(ran.filter((id) => id === `${eventId}..crm.1`)).toHaveLength(1);
});

test("a replay of an event whose retention has ended does not keep it any longer", async () => {
  const { project, emitterOf } = setup();
  await emitterOf([crm]).emit({ id: "e" });
  const { keys, raw } = project;
  await raw.zadd(keys.eventsExpiry, 1, "order:placed e");
  await emitterOf([crm, welcome]).replay("e");
  expect(Number(await raw.zscore(keys.eventsExpiry, "order:placed e"))).toBeLessThanOrEqual(Date.now());
});
