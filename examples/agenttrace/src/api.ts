/**
 * The API that takes traces in. `POST /traces` answers 202 while the jobs are on their way to Redis: the system that is
 * traced never waits for ours. `GET /health` tells how many are on their way and how many were lost.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  enqueueAnomalyDetect,
  enqueueCostCalculate,
  enqueueEvalRun,
  enqueueOtelExport,
  enqueueWebhookDeliver,
} from "../generated/index.js";
import { Background, type LostEnqueue } from "./background.js";

export interface Trace {
  readonly traceId: string;
  readonly projectId: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly latencyMs: number;
  /** Where the project wants to hear of it. */
  readonly webhook?: string;
}

export interface ApiOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** Enqueues under way from which on new traces are refused with 503: memory is finite. Default 10,000. */
  readonly mostUnderWay?: number;
  readonly report: (lost: LostEnqueue) => void;
}

export interface Api {
  readonly url: string;
  readonly background: Background;
  /** Takes no more traces, and resolves when the jobs of those that it took are stored or reported. */
  close(): Promise<void>;
}

const DEFAULT_MOST_UNDER_WAY = 10_000;
const MAX_BODY_BYTES = 100_000;

/** Needs a client: call `connect()` before. */
export async function openApi(options: ApiOptions): Promise<Api> {
  const background = new Background(options.report);
  const most = options.mostUnderWay ?? DEFAULT_MOST_UNDER_WAY;
  const server = createServer((request, response) => {
    answer(request, response, background, most).catch((error: unknown) => {
      respond(response, 400, { error: error instanceof Error ? error.message : String(error) });
    });
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    background,
    close: async () => {
      server.close();
      server.closeIdleConnections();
      await background.settled();
      server.closeAllConnections();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  background: Background,
  mostUnderWay: number,
): Promise<void> {
  const route = `${request.method} ${request.url}`;
  if (route === "GET /health") {
    respond(response, 200, { underWay: background.underWay, lost: background.lost });
  } else if (route !== "POST /traces") {
    respond(response, 404, { error: `expected POST /traces or GET /health, got ${route}` });
  } else if (background.underWay >= mostUnderWay) {
    respond(response, 503, { error: "too many jobs are on their way: try again later" });
  } else {
    const trace = JSON.parse(await readBody(request)) as Trace;
    enqueueJobs(trace, background);
    respond(response, 202, { traceId: trace.traceId });
  }
}

/** All in one tick, so that they travel in one round trip. */
function enqueueJobs(trace: Trace, background: Background): void {
  const { traceId, model, inputTokens, outputTokens, latencyMs, webhook } = trace;
  background.add("cost:calculate", enqueueCostCalculate, { traceId, model, inputTokens, outputTokens });
  background.add("eval:run", enqueueEvalRun, { traceId, evaluator: "helpfulness" });
  background.add("anomaly:detect", enqueueAnomalyDetect, { traceId, latencyMs });
  background.add("otel:export", enqueueOtelExport, { traceId });
  if (webhook !== undefined)
    background.add("webhook:deliver", enqueueWebhookDeliver, { traceId, url: webhook });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`expected at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
