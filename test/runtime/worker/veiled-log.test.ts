// What a worker logs of jobs: nothing that stands in a sensitive field of their payloads.
import { inspect } from "node:util";
import { expect, test } from "vitest";
import type { BatchContext, Job, TaskContext } from "taskweft/generated-v1";
import { logField, parseJobLog } from "../../../runtime/protocol/index.js";
import { AttemptSecrets } from "../../../runtime/worker/attempts/attempt-secrets.js";
import { veiled } from "../../../runtime/worker/attempts/veiled-log.js";
import { defineTask, type Project, RecordingLogger, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const CARD = "4111-1111";
const redis = await startRedis();

interface Order {
  readonly card: string;
  readonly lines: readonly { readonly note: string }[];
}

const ORDER: Order = { card: CARD, lines: [{ note: 'for "Ada"' }, { note: "for Grace" }] };
const sensitive = [["card"], ["lines", null, "note"]] as const;
const pay = defineTask<Order>("order:pay", { sensitive });
const batched = defineTask<Order>("order:batched", { sensitive, batch: { size: 2, withinMs: 5000 } });
const plain = defineTask<Order>("order:plain");

const everything = (project: Project): string => inspect(project.logger.lines, { depth: 9 });

test("messages, fields and errors of an attempt are logged without it, and kept with the job so", async () => {
  const project = setupProject({ redis, tasks: [pay] as never });
  await project.worker({
    "order:pay": ({ payload }: { payload: Order }, ctx: TaskContext) => {
      ctx.log.info(`paying with ${payload.card}`, { order: payload, of: new RangeError(payload.card), n: 5 });
      throw new Error(`card ${payload.card} ${payload.lines[1]!.note} was refused`);
    },
  } as never);
  const { id } = await project.enqueue(pay, ORDER);
  await until("the death of the job", async () => (await project.state(id)) === "dead");
  const [line, death] = project.logger.lines.filter(({ fields }) => fields["job"] === id);
  expect(line).toMatchObject({
    message: "paying with ***",
    fields: { task: "order:pay", attempt: 1, n: 5, of: { message: "***" } },
  });
  expect(line!.fields["order"]).toEqual({ card: "***", lines: [{ note: "***" }, { note: "***" }] });
  expect(death).toMatchObject({
    level: "warn",
    message: "job is dead",
    fields: { error: "Error: card *** *** was refused" },
  });
  expect(everything(project)).not.toMatch(/4111-1111|Ada|Grace/);
  const kept = async () => await project.raw.hget(project.keys.notes, logField(id));
  await until("the line is kept", async () => (await kept()) !== null);
  expect(parseJobLog((await kept())!).lines[0]!.text).toMatch(/^paying with \*{3} order=/);
  expect(await kept()).not.toContain(CARD);
});

test("what a handler takes out of its payload is still not logged", async () => {
  const task = defineTask<{ card?: string }>("order:void", { sensitive: [["card"]] });
  const project = setupProject({ redis, tasks: [task] as never });
  await project.worker({
    "order:void": ({ payload }: { payload: { card?: string } }) => {
      const { card } = payload;
      delete payload.card;
      throw new Error(`card ${card} was refused`);
    },
  } as never);
  const { id } = await project.enqueue(task, { card: CARD });
  await until("the death of the job", async () => (await project.state(id)) === "dead");
  const death = project.logger.lines.find(({ fields }) => fields["job"] === id);
  expect(death?.fields["error"]).toBe("Error: card *** was refused");
});

test("keys of a map that is sensitive are logged as little as its values", async () => {
  const task = defineTask<{ cards: Record<string, number> }>("order:refund", {
    sensitive: [["cards", ["kind"]], ["cards"]],
  });
  const project = setupProject({ redis, tasks: [task] as never });
  await project.worker({
    "order:refund": () => {
      throw new Error(`no funds on ${CARD} of this kind`);
    },
  } as never);
  const { id } = await project.enqueue(task, { cards: { [CARD]: 5, kind: 1 } });
  await until("the death of the job", async () => (await project.state(id)) === "dead");
  const death = project.logger.lines.find(({ fields }) => fields["job"] === id);
  expect(death).toMatchObject({ fields: { error: "Error: no funds on *** of this kind" } });
});

test("a batch logs nothing of any of its jobs, and a task without sensitive fields logs what it is told", async () => {
  const project = setupProject({ redis, tasks: [batched, plain] as never });
  await project.worker(
    {
      "order:plain": ({ payload }: { payload: Order }, ctx: TaskContext) => ctx.log.info(payload.card),
    } as never,
    {
      batches: {
        "order:batched": (jobs: readonly Job<never>[], ctx: BatchContext) => {
          const given = jobs as readonly Job<{ card?: string }>[];
          const cards = given.map(({ payload }) => payload.card).join();
          for (const { payload } of given) delete payload.card;
          ctx.log.info(`paying ${cards}`);
        },
      },
    },
  );
  const cards = [CARD, "4222-2222"];
  await Promise.all(
    (
      await project.many(
        batched,
        cards.map((card) => ({ ...ORDER, card })),
      )
    ).map((job) => job.result()),
  );
  expect(project.logger.messages("info")).toContain("paying ***,***");
  await (await project.enqueue(plain, ORDER)).result();
  expect(project.logger.messages("info")).toContain(CARD);
});

test("a field stays what it is unless it holds something sensitive, and is hidden where nobody can tell", () => {
  const logger = new RecordingLogger();
  let looked = 0;
  const secrets = AttemptSecrets.of({ ...plain, sensitive: [["card"]] } as never, () => [
    looked++,
    { card: CARD, id: 5 },
  ]);
  const log = veiled(logger, secrets?.all);
  expect(looked).toBe(0);
  const circular: Record<string, unknown> = { card: CARD };
  circular["self"] = circular;
  const kept = { error: new Error("no"), date: new Date(0), list: [1], none: undefined, flag: true };
  const refused = new Error("refused", { cause: new Error(`by ${CARD}`, { cause: `of ${CARD}` }) });
  const coded = Object.assign(new Error("refused"), { request: { card: CARD } });
  log.info("first", kept);
  log.warn("second", {
    circular,
    refused,
    coded,
    [CARD]: 1,
    getter: {
      get card() {
        throw new Error(CARD);
      },
    },
  });
  log.debug("third");
  const [first, second, third] = logger.lines;
  for (const [name, value] of Object.entries(kept)) expect(first!.fields[name]).toBe(value);
  expect(second!.fields).toMatchObject({ circular: "***", getter: "***", "***": 1 });
  expect(second!.fields["refused"]).toMatchObject({
    message: "refused",
    cause: { message: "by ***", cause: "of ***" },
  });
  expect(inspect(second, { depth: 9 })).not.toContain(CARD);
  expect(third!.message).toBe("third");
  expect(looked).toBe(1);
});

class Account {
  readonly card = CARD;
  toJSON(): object {
    return { card: "none of your business" };
  }
}

class HttpError extends Error {
  readonly #body: string;
  constructor(body: string) {
    super("payment refused");
    this.#body = body;
  }
  toJSON(): object {
    return { message: this.message, body: this.#body };
  }
}

class ShownError extends Error {
  readonly #body: string;
  constructor(body: string) {
    super("payment refused");
    this.#body = body;
  }
  [inspect.custom](): string {
    return `ShownError ${this.#body}`;
  }
}

test.each<[string, unknown]>([
  ["a list of errors", [new Error(`bad ${CARD}`)]],
  ["what Promise.allSettled gives", { status: "rejected", reason: new Error(CARD) }],
  ["what Promise.any throws", new AggregateError([new Error(CARD)], "all failed")],
  ["an error in an error", Object.assign(new Error("bad"), { request: new Error(CARD) })],
  ["a cause that is no error", new Error("bad", { cause: { of: new Error(CARD) } })],
  ["an error that says more as JSON", new HttpError(CARD)],
  ["an error that shows more", { error: new ShownError(CARD) }],
  ["bytes", [new TextEncoder().encode(`pay ${CARD} now`)]],
  ["a Buffer", Buffer.from(CARD)],
  ["a Map", new Map([[CARD, 1]])],
  ["a Set in a Map", new Map([["cards", new Set([CARD])]])],
  ["an object that says something else as JSON", new Account()],
  ["one that says more as JSON", { toJSON: () => CARD }],
  ["a match of a pattern", /now/.exec(`pay ${CARD} now`)],
  ["what is under a symbol", { [Symbol("card")]: CARD }],
  ["a Map with more in it", Object.assign(new Map(), { card: CARD })],
  ["what has no fields", new URLSearchParams({ card: CARD })],
  ["the headers of a request", [new Headers({ authorization: CARD })]],
  ["a promise", Promise.resolve(CARD)],
  ["a function", Object.assign(() => 1, { card: CARD })],
])("%s is looked into as loggers do that show more than its JSON", (_name, value) => {
  const logger = new RecordingLogger();
  const log = veiled(logger, () => [CARD]);
  log.info("line", { value, beside: "kept" });
  const shown = inspect(logger.lines, { depth: 20, showHidden: true });
  expect(shown).not.toContain(CARD);
  expect(JSON.stringify(logger.lines)).not.toContain(CARD);
  expect(logger.lines[0]!.fields["beside"]).toBe("kept");
});

test.each<[string, unknown]>([
  ["a Map", new Map([["card", 1]])],
  ["an error with more in it", Object.assign(new AggregateError([new Error("x")], "y"), { n: 1 })],
  ["an error that says less as JSON", new HttpError("none")],
  ["a Buffer", Buffer.from("nothing")],
  ["an instance of a class", new URL("http://example.org/")],
  ["what has no fields", new Headers({ accept: "text/html" })],
  ["a match of a pattern", /now/.exec("pay now")],
  ["a function", () => 1],
  ["what is nested", { a: [{ b: new Set([1]) }] }],
])("%s that holds none is handed on as it is", (_name, value) => {
  const logger = new RecordingLogger();
  veiled(logger, () => [CARD]).info("line", { value });
  expect(logger.lines[0]!.fields["value"]).toBe(value);
});

test("the texts of an error are told whose request contains itself", () => {
  const logger = new RecordingLogger();
  const request: Record<string, unknown> = { url: "https://pay.example" };
  request["self"] = request;
  const error = Object.assign(new HttpError(CARD), { request });
  veiled(logger, () => [CARD]).error("line", { error });
  expect(logger.lines[0]!.fields["error"]).toMatchObject({ name: "Error", message: "payment refused" });
  expect(inspect(logger.lines, { depth: 20 })).not.toContain(CARD);
});

test("lines of a job with more sensitive values than anybody can look for are hidden", () => {
  const logger = new RecordingLogger();
  const cards = Array.from({ length: 1001 }, (_unused, n) => `card-${n}`);
  veiled(logger, () => cards).warn("paying with card-7", { card: "card-8" });
  expect(logger.lines).toMatchObject([
    { level: "warn", message: "*** (its payload has more than 1000 sensitive values)" },
  ]);
  expect(inspect(logger.lines)).not.toMatch(/card-/);
});
