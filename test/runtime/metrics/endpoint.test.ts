// The endpoint over real HTTP.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Server } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { EXPOSITION_TYPE, serveMetrics } from "../../../runtime/metrics/index.js";
import { rejection } from "../../support/project.js";
import { freePort } from "../../support/redis.js";

async function serve(text: () => Promise<string>): Promise<string> {
  const port = await freePort();
  const endpoint = await serveMetrics({ host: "127.0.0.1", port }, text);
  onTestFinished(() => endpoint.close());
  return `http://127.0.0.1:${port}`;
}

test("GET /metrics is answered with the text and its type", async () => {
  const url = await serve(async () => "a 1\n");
  const response = await fetch(`${url}/metrics?from=somewhere`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe(EXPOSITION_TYPE);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.text()).toBe("a 1\n");
});

test.each([
  ["GET", "/", 404],
  ["GET", "/metrics/", 404],
  ["GET", "/..%2fmetrics", 404],
  ["POST", "/metrics", 405],
  ["DELETE", "/metrics", 405],
  ["HEAD", "/metrics", 405],
])("%s %s is refused", async (method, path, status) => {
  const url = await serve(() => Promise.reject(new Error("must not be asked")));
  const response = await fetch(`${url}${path}`, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get("allow")).toBe(status === 405 ? "GET" : null);
});

test("metrics that cannot be read are an error of the server, and it goes on", async () => {
  const url = await serve(() => Promise.reject(new Error("broken")));
  for (let n = 0; n < 2; n++) {
    const response = await fetch(`${url}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, "the metrics cannot be read: broken\n"]);
  }
});

test("connections that cannot be accepted do not end the process", async () => {
  const servers: Server[] = [];
  const heard = (message: unknown): unknown => servers.push((message as { server: Server }).server);
  subscribe("http.server.request.start", heard);
  onTestFinished(() => void unsubscribe("http.server.request.start", heard));
  const url = await serve(async () => "a 1\n");
  await fetch(`${url}/metrics`);
  // As net does when the process has no file descriptor left.
  for (let n = 0; n < 2; n++) servers[0]!.emit("error", new Error("accept EMFILE"));
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  expect(servers[0]!.maxConnections).toBe(100);
});

test("a port that is taken is an error that says what to do", async () => {
  const url = await serve(async () => "");
  const port = Number(new URL(url).port);
  const error = await rejection(serveMetrics({ host: "127.0.0.1", port }, async () => ""));
  expect(error.message).toBe(
    `OptionInvalid: metrics.port: expected a free port, got ${port}, on which this process cannot listen at 127.0.0.1 (EADDRINUSE). Choose another one, or 0 for no endpoint.`,
  );
});
