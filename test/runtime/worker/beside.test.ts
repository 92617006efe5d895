// A call that is no claim may give a worker jobs (the end of a step does): none of them is taken for one whose answer was lost, and so
// run twice, and none whose answer was lost is left with a worker that knows nothing of it.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import type { Claim } from "../../../runtime/worker/claims/claim.js";
import { ClaimDemand } from "../../../runtime/worker/claims/claim-demand.js";
import { Fetcher } from "../../../runtime/worker/claims/fetcher.js";
import { QueueShares } from "../../../runtime/worker/claims/queue-shares.js";
import { DEFAULT_QUEUES, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();

/** Counts the looks at what its worker holds. */
class Watched extends Connection {
  looks = 0;
  /** They wait for it. */
  open = Promise.resolve();
  /** Answers of scripts wait for it. */
  answered = Promise.resolve();

  override async run(...call: Parameters<Connection["run"]>): Promise<unknown> {
    const reply = await super.run(...call);
    await this.answered;
    return reply;
  }

  override async heldBy(...call: Parameters<Connection["heldBy"]>): ReturnType<Connection["heldBy"]> {
    this.looks += 1;
    await this.open;
    return await super.heldBy(...call);
  }
}

/** A worker `w` that claims. */
async function setup() {
  const project = setupProject({ redis, tasks: [] });
  const { keys, raw, logger } = project;
  await raw.zadd(keys.leases, Date.now() + 60_000, "w");
  const connection = new Watched({ url: redis.url }, "test");
  const delivered: string[] = [];
  const fetcher = new Fetcher({
    connection,
    keys,
    logger,
    shares: new QueueShares(DEFAULT_QUEUES),
    demand: new ClaimDemand({ concurrency: 1, claimAheadMs: 0, maxBatch: 1 }),
    maxBatch: 1,
    worker: () => "w",
    renewal: () => 0,
    running: () => 0,
    waiting: () => 0,
    gathering: () => 0,
    blocking: () => false,
    deliver: (ids) => void delivered.push(...ids),
    onRest: () => undefined,
    onIdle: () => undefined,
    onLost: () => undefined,
  });
  onTestFinished(async () => {
    fetcher.close();
    connection.disconnect();
    await raw.del(keys.active, keys.jobs, keys.leases);
  });
  fetcher.startClaiming();
  await until("it to have heard that there is nothing", () => fetcher.asleep);
  return { connection, delivered, fetcher, project };
}

async function give({ keys, raw }: Project, id: string): Promise<void> {
  await raw.hset(keys.jobs, id, '[1,"some:work","default","12345678",{},null]');
  await raw.hset(keys.active, id, "w");
}

/** Turns of the loop in which it would have looked. */
async function turns({ raw }: Project): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await raw.ping();
}

test("while it is under way nobody looks at what the worker holds", async () => {
  const { connection, delivered, fetcher, project } = await setup();
  const answered = signal();
  const given = signal();
  const call = fetcher.claimBeside(async (mayClaim) => {
    expect(mayClaim).toBe(true);
    await give(project, "mine");
    given.send();
    await answered.promise;
    fetcher.hold([{ id: "mine", record: { queue: "default" } } as Claim]);
  });
  await given.promise;
  fetcher.reconcile();
  await turns(project);
  expect(connection.looks).toBe(0);
  answered.send();
  await call;
  await until("it to have looked", () => connection.looks === 1 && !fetcher.reconciles);
  expect(delivered).toEqual([]);
});

test("while somebody looks it may give nothing, nor where nothing is claimed", async () => {
  const { connection, fetcher } = await setup();
  const looked = signal();
  connection.open = looked.promise;
  fetcher.reconcile();
  expect(await fetcher.claimBeside(async (mayClaim) => await Promise.resolve(mayClaim))).toBe(false);
  await until("it to look", () => connection.looks === 1);
  expect(await fetcher.claimBeside(async (mayClaim) => await Promise.resolve(mayClaim))).toBe(false);
  looked.send();
  await until("it to have looked", () => !fetcher.reconciles);
  expect(await fetcher.claimBeside(async (mayClaim) => await Promise.resolve(mayClaim))).toBe(true);
  fetcher.stopClaiming();
  expect(await fetcher.claimBeside(async (mayClaim) => await Promise.resolve(mayClaim))).toBe(false);
});

test("what it has given is found when Redis has refused to say so", async () => {
  const { delivered, fetcher, project } = await setup();
  const refused = fetcher.claimBeside(async () => {
    await give(project, "mine");
    throw new Error("refused");
  });
  await expect(refused).rejects.toThrow("refused");
  await until("the job to be found", () => delivered.length > 0);
  expect(delivered).toEqual(["mine"]);
});

test("a job that was claimed again before its earlier end is answered is still known to be held", async () => {
  const { connection, delivered, fetcher, project } = await setup();
  await give(project, "mine");
  fetcher.own(["mine"]);
  const answered = signal();
  connection.answered = answered.promise;
  fetcher.completed("mine");
  fetcher.schedule();
  await until("its end to be written", async () => (await project.state("mine")) === "gone");
  // Enqueued again under its id, it came with its hint, on another connection.
  await give(project, "mine");
  fetcher.own(["mine"]);
  answered.send();
  await fetcher.settled();
  fetcher.reconcile();
  await until("it to have looked", () => connection.looks === 1 && !fetcher.reconciles);
  expect(delivered).toEqual([]);
});
