/**
 * Bank, gateway and database in one, for the demo and the tests: a server outside of all workers, whose ledger survives
 * whatever happens to them. It keeps the promise that providers make about idempotency keys, and it fails in the two ways
 * that providers fail: before the effect, and after it, with the answer lost.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface OutsideWorldOptions {
  /** Share of the calls that fail. Default 0. */
  readonly failShare?: number;
  /** Longest time that a call takes; each takes some of it. Default 0. */
  readonly latencyMs?: number;
  /** Returns [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** A call as it came in, whatever became of it. */
export interface Call {
  readonly path: string;
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** `done`: it had the effect. `known`: an earlier call with the key had. `lost`: done or known, but no answer was heard. */
  readonly outcome: "done" | "known" | "lost" | "refused" | "unavailable";
}

export class OutsideWorld {
  /** All calls, oldest first. */
  readonly calls: Call[] = [];
  /** What has really happened: path and key of each effect, with its answer. */
  readonly effects = new Map<string, { readonly transferId: string }>();
  /** Accounts to which no transfer goes. */
  readonly closedAccounts = new Set<string>();
  /** Share of the calls that fail; may change while it runs. */
  failShare: number;
  /** Every call has its effect, and no caller hears of it. */
  loseAnswers = false;
  readonly #latencyMs: number;
  readonly #random: () => number;
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  constructor(options: OutsideWorldOptions = {}) {
    this.failShare = options.failShare ?? 0;
    this.#latencyMs = options.latencyMs ?? 0;
    this.#random = options.random ?? Math.random;
  }

  async open(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Effects of a path. */
  effectsOf(path: string): readonly string[] {
    return [...this.effects.keys()].filter((effect) => effect.startsWith(`${path} `));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const { url: path = "" } = request;
    const key = String(request.headers["idempotency-key"] ?? randomUUID());
    const outcome = this.#decide(path, key, body);
    this.calls.push({ path, key, body, outcome });
    await pause(this.#random() * this.#latencyMs);
    if (outcome === "lost") response.destroy();
    else if (outcome === "unavailable") response.writeHead(503).end();
    else if (outcome === "refused") response.writeHead(422).end(`${String(body["to"])} is closed`);
    else response.writeHead(200).end(JSON.stringify(this.effects.get(`${path} ${key}`)));
  }

  /** Half of the failures come before the effect, half behind it. */
  #decide(path: string, key: string, body: Readonly<Record<string, unknown>>): Call["outcome"] {
    const luck = this.#random();
    if (luck < this.failShare / 2) return "unavailable";
    if (this.closedAccounts.has(String(body["to"]))) return "refused";
    const effect = `${path} ${key}`;
    const known = this.effects.has(effect);
    if (!known) this.effects.set(effect, { transferId: randomUUID() });
    if (this.loseAnswers || luck < this.failShare) return "lost";
    return known ? "known" : "done";
  }
}
