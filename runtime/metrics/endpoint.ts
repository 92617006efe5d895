/** An HTTP server on a port of its own that serves `GET /metrics` and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { TaskweftError } from "../errors.js";
import { EXPOSITION_TYPE } from "./exposition.js";

const PATH = "/metrics";
/**
 * Limit for a request and its answer (ms); a scraper needs milliseconds. Slower clients and surplus
 * connections are dropped.
 */
const PATIENCE_MS = 10_000;
const MOST_CONNECTIONS = 100;

export interface MetricsEndpoint {
  close(): Promise<void>;
}

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Serves the result of `text` until it is closed. The server does not keep the process alive.
 * @throws TaskweftError `OptionInvalid` when the process cannot listen there.
 */
export async function serveMetrics(
  { host, port }: MetricsAddress,
  text: () => Promise<string>,
): Promise<MetricsEndpoint> {
  const server = createServer(
    { headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS },
    (request, response) => {
      void answer(request, response, text);
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.timeout = PATIENCE_MS;
  await listening(server, host, port);
  // A connection may fail because no file descriptor is left. The scraper tries again; an unhandled error
  // would end the worker.
  server.on("error", () => undefined);
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new TaskweftError(
          "OptionInvalid",
          `metrics.port: expected a free port, got ${port}, on which this process cannot listen at ${host} (${cause.code ?? cause.message}). Choose another one, or 0 for no endpoint.`,
          { operation: "start", cause },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
}

async function answer(
  { method, url = "" }: IncomingMessage,
  response: ServerResponse,
  text: () => Promise<string>,
): Promise<void> {
  const [path] = url.split("?", 1);
  if (path !== PATH) return refuse(response, 404, `not found; the metrics are at ${PATH}`);
  if (method !== "GET") {
    response.setHeader("allow", "GET");
    return refuse(response, 405, "GET only");
  }
  try {
    const body = await text();
    response.writeHead(200, { "content-type": EXPOSITION_TYPE, "cache-control": "no-store" }).end(body);
  } catch (error) {
    refuse(
      response,
      500,
      `the metrics cannot be read: ${error instanceof Error ? error.message : "unknown"}`,
    );
  }
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${reason}\n`);
}
