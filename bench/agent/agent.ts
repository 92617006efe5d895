/**
 * A process that runs one library and nothing else, told what to do by the harness over the IPC channel. It measures its
 * own clock and CPU inside the operation, so that the channel costs nothing in the figures.
 */
import {
  type Adapter,
  loadAdapter,
  type Operator,
  type Producer,
  type Starter,
  type Target,
} from "../adapters/adapter.js";
import { operate } from "./operator.js";
import { enqueue, enqueueDue, enqueueLone, enqueueSpaced } from "./producer.js";
import { startGraphs } from "./starter.js";
import { type PreparedWorker, prepareWorker } from "./worker.js";
import { processCpuUs } from "../clock.js";
import type { AgentReply, AgentRequest, Operation, Operations } from "./messages.js";

let adapter: Adapter | undefined;
let target: Target | undefined;
let operator: Operator | undefined;
let producer: Producer | undefined;
let starter: Starter | undefined;
let worker: PreparedWorker | undefined;

type Handlers = {
  [Name in Operation]: (request: Operations[Name]["request"]) => Promise<Operations[Name]["reply"]>;
};

const handlers: Handlers = {
  async open(request) {
    adapter = await loadAdapter(request.library);
    target = request.target;
    if (request.role === "operator") operator = await adapter.openOperator(target);
    if (request.role === "producer") producer = await adapter.openProducer(target);
    if (request.role === "starter") starter = await adapter.openStarter?.(target);
  },
  enqueue: (request) => enqueue(opened(producer), request),
  spaced: (request) => enqueueSpaced(opened(producer), request),
  due: (request) => enqueueDue(opened(producer), request).then(() => undefined),
  lone: (request) => enqueueLone(opened(producer), request),
  start: (request) => startGraphs(opened(starter), request),
  operate: (request) => operate(opened(operator), request),
  unfinished: () => opened(producer).countUnfinished(),
  async prepare(request) {
    worker = await prepareWorker(opened(adapter), opened(target), request);
  },
  async work() {
    const reply = await opened(worker).work();
    worker = undefined;
    return reply;
  },
  async idle() {
    opened(worker).consumer.run();
  },
  cpu: async () => processCpuUs(),
  async close() {
    await worker?.consumer.close();
    await operator?.close();
    await producer?.close();
    await starter?.close();
  },
};

function opened<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new Error("the harness asked for an operation before the one it needs");
  return thing;
}

async function answer(message: AgentRequest): Promise<AgentReply> {
  try {
    const handler = handlers[message.operation] as (request: unknown) => Promise<unknown>;
    return { id: message.id, ok: true, reply: await handler(message.request) };
  } catch (error) {
    return {
      id: message.id,
      ok: false,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

process.on("message", (message: AgentRequest) => {
  void answer(message).then((reply) => {
    // Some libraries keep timers and sockets after they were closed; a closed agent has nothing left to say.
    process.send?.(reply, () => {
      if (message.operation === "close") process.exit(0);
    });
  });
});
// A harness that died must not leave its agents behind.
process.on("disconnect", () => process.exit(1));
