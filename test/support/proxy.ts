// A TCP proxy in front of a test's Redis that fails on purpose: replies get lost after the request was executed,
// connections break after so many bytes, nothing moves at all.
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { afterAll } from "vitest";

export interface TestProxy {
  readonly url: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Replies thrown away so far by `loseReplies`. */
  readonly lost: number;
  /** Connections broken so far by `cutAfter`. */
  readonly cuts: number;
  /** The next `times` requests that hold `text` are executed; their replies are thrown away and the connection breaks. */
  loseReplies(text: string, times: number): void;
  /**
   * Connections break after `nextBytes()` more bytes in that direction, each time anew, until `heal()`. New ones may
   * move `greetingBytes` first: what a client asks before it does anything else.
   */
  cutAfter(direction: "request" | "reply", nextBytes: () => number, greetingBytes?: number): void;
  /** Nothing moves on any connection, old or new. */
  stall(): void;
  /** Requests get through and are executed; their replies are held. */
  stallReplies(): void;
  /** From now on nothing moves on the connections that are open, and nobody is told; new ones work. */
  dropSilently(): void;
  /** Breaks every open connection. */
  cutAll(): void;
  /** Lets held bytes go and faults end. */
  heal(): void;
  stop(): Promise<void>;
}

type Direction = "request" | "reply";

const started = new Set<Proxy>();

if (process.env["VITEST"] !== undefined) {
  afterAll(async () => {
    await Promise.all([...started].map((proxy) => proxy.stop()));
  });
}

/** Starts a proxy to a port of 127.0.0.1; afterAll stops it. */
export async function startProxy(targetPort: number): Promise<TestProxy> {
  const proxy = new Proxy(targetPort);
  started.add(proxy);
  await proxy.listen();
  return proxy;
}

class Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  loseReply = false;
  silent = false;
  readonly held: (() => void)[] = [];
  readonly left: Record<Direction, number> = { request: Infinity, reply: Infinity };

  constructor(client: Socket, upstream: Socket) {
    this.client = client;
    this.upstream = upstream;
  }

  cut(): void {
    this.client.resetAndDestroy();
    this.upstream.destroy();
  }
}

class Proxy implements TestProxy {
  port = 0;
  lost = 0;
  cuts = 0;
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  readonly #server = createServer((client) => this.#accept(client));
  #loss = { text: "", times: 0 };
  #cutters: Partial<Record<Direction, () => number>> = {};
  #stalled: Readonly<Record<Direction, boolean>> = { request: false, reply: false };

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get open(): number {
    return this.#pairs.size;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  loseReplies(text: string, times: number): void {
    this.#loss = { text, times };
  }

  cutAfter(direction: Direction, nextBytes: () => number, greetingBytes = 0): void {
    this.#cutters[direction] = () => greetingBytes + nextBytes();
    for (const pair of this.#pairs) pair.left[direction] = nextBytes();
  }

  stall(): void {
    this.#stalled = { request: true, reply: true };
  }

  stallReplies(): void {
    this.#stalled = { request: false, reply: true };
  }

  dropSilently(): void {
    for (const pair of this.#pairs) pair.silent = true;
  }

  cutAll(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  heal(): void {
    this.#stalled = { request: false, reply: false };
    this.#loss = { text: "", times: 0 };
    this.#cutters = {};
    for (const pair of this.#pairs) {
      pair.left.request = Infinity;
      pair.left.reply = Infinity;
      for (const pass of pair.held.splice(0)) pass();
    }
  }

  async stop(): Promise<void> {
    started.delete(this);
    this.cutAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    const upstream = connect(this.#targetPort, "127.0.0.1");
    const pair = new Pair(client, upstream);
    this.#pairs.add(pair);
    for (const [direction, cutter] of Object.entries(this.#cutters)) {
      pair.left[direction as Direction] = cutter();
    }
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    client.on("data", (chunk: Buffer) => this.#pass(pair, "request", chunk));
    upstream.on("data", (chunk: Buffer) => this.#pass(pair, "reply", chunk));
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      socket.on("close", end);
      // The other side is told by `close`; without a listener the test process would die of it.
      socket.on("error", () => undefined);
    }
  }

  #pass(pair: Pair, direction: Direction, chunk: Buffer): void {
    if (pair.silent) return;
    if (this.#stalled[direction]) pair.held.push(() => this.#passNow(pair, direction, chunk));
    else this.#passNow(pair, direction, chunk);
  }

  #passNow(pair: Pair, direction: Direction, chunk: Buffer): void {
    const to = direction === "request" ? pair.upstream : pair.client;
    if (direction === "request" && this.#loss.times > 0 && chunk.includes(this.#loss.text)) {
      this.#loss.times -= 1;
      pair.loseReply = true;
    }
    if (direction === "reply" && pair.loseReply) {
      this.lost += 1;
      pair.cut();
      return;
    }
    if (chunk.length >= pair.left[direction]) {
      this.cuts += 1;
      to.write(chunk.subarray(0, pair.left[direction]), () => pair.cut());
      pair.left[direction] = 0;
      return;
    }
    pair.left[direction] -= chunk.length;
    to.write(chunk);
  }
}
