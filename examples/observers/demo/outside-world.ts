/** What the actions call: slow, sometimes out of order, and some of it gone for good. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface Call {
  readonly path: string;
  /** The same for all attempts of a job. */
  readonly key: string;
  readonly body: unknown;
  /** When it came (ms). */
  readonly at: number;
  readonly status: number;
}

export class OutsideWorld {
  readonly calls: Call[] = [];
  /** Most calls that were being answered at one time. */
  most = 0;
  /** Paths that refuse for good. */
  readonly gone = new Set<string>();
  /** How many calls of each job fail first, by path. */
  readonly failsFirst = new Map<string, number>();
  #now = 0;
  #delayMs: number;
  #held: Promise<void> | undefined;
  #release = (): void => {};
  readonly #server: Server;

  /** `delayMs`: how long each answer takes. */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Calls that have no answer yet. */
  get waiting(): number {
    return this.#now;
  }

  /** No call is answered until `release()`. */
  hold(): void {
    this.#held = new Promise((resolve) => (this.#release = resolve));
  }

  release(): void {
    this.#release();
    this.#held = undefined;
  }

  async close(): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = Date.now();
    this.#now += 1;
    this.most = Math.max(this.most, this.#now);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    await (this.#held ?? (this.#delayMs === 0 ? undefined : pause(this.#delayMs)));
    const { url: path = "" } = request;
    const key = String(request.headers["idempotency-key"]);
    const status = this.#statusOf(path, key);
    this.calls.push({ path, key, body: JSON.parse(Buffer.concat(chunks).toString()), at, status });
    this.#now -= 1;
    response.writeHead(status).end();
  }

  #statusOf(path: string, key: string): number {
    if (this.gone.has(path)) return 410;
    const before = this.calls.filter((call) => call.key === key).length;
    return before < (this.failsFirst.get(path) ?? 0) ? 503 : 204;
  }
}
