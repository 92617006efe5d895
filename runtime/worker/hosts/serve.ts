/** The work of a host: loads handlers and runs jobs, one at a time, until it is told to end. */
import { processMetrics } from "../../metrics/index.js";
import type { HandlerTable } from "../attempts/handler-table.js";
import type { AnyHandler, Job } from "../handler.js";
import { decodeError, encodeError } from "./error-text.js";
import { HostedContext, answerOf } from "./hosted-context.js";
import type { Answer, HostPort, ToHost } from "./messages.js";

/** @param close runs before the host ends. */
export function serve(port: HostPort, handlers: HandlerTable, close: () => Promise<void>): void {
  let context: HostedContext | undefined;
  const run = async (job: Job, idempotencyKey: string, hash: string): Promise<void> => {
    // The project's files were replaced since the worker has read them.
    if (handlers.get(job.task)?.contract.hash !== hash) return port.post({ type: "outdated" });
    const own = new HostedContext(job, idempotencyKey, (message) => port.post(message));
    context = own;
    const answer = await answered(async () => (await load(handlers, job.task))(job, own));
    await own.stepsBeforeRest();
    own.close();
    const enqueued = processMetrics.jobs.takeEnqueued();
    const counted = processMetrics.takeCounted();
    port.post({
      type: "ended",
      ...answer,
      ...(enqueued.length === 0 ? {} : { enqueued }),
      ...(Object.keys(counted).length === 0 ? {} : { counted }),
    });
  };
  port.listen((message: ToHost) => {
    switch (message.type) {
      case "load":
        void loadAll(port, handlers, message.tasks);
        return;
      case "run":
        void run(message.job, message.idempotencyKey, message.hash);
        return;
      case "abort":
        context?.abort(decodeError(message.reason));
        return;
      case "doStep":
        void context?.runStep(message.call);
        return;
      case "reply":
        context?.replied(message.call, message);
        return;
      case "end":
        void close().finally(() => port.exit());
        return;
      case "start":
    }
  });
}

async function loadAll(port: HostPort, handlers: HandlerTable, tasks: readonly string[]): Promise<void> {
  const answer = await answered(async () => {
    await Promise.all(tasks.map((task) => load(handlers, task)));
  });
  port.post({ type: "ended", ...answer });
}

async function load(handlers: HandlerTable, task: string): Promise<AnyHandler> {
  const entry = handlers.get(task);
  if (entry === undefined) throw new Error(`the registry of this host has no handler of ${task}`);
  return entry.handler ?? (await entry.load());
}

async function answered(call: () => unknown): Promise<Answer> {
  try {
    return answerOf(await call());
  } catch (error) {
    return { error: encodeError(error) };
  }
}
