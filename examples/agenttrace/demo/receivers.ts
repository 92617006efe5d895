/** Webhooks, collector and messenger in one server. The path says how an address behaves. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export class Receivers {
  /** Calls by path, oldest first. */
  readonly calls: string[] = [];
  /** Addresses that answer 500, by the end of their path; the others work. */
  readonly broken = new Set<string>();
  readonly #server = createServer((request, response) => {
    const path = request.url ?? "";
    this.calls.push(path);
    request.resume();
    request.once("end", () => response.writeHead(this.#status(path)).end());
  });

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

  /** `/gone` is gone for good; `/flaky/...` fails once an address. */
  #status(path: string): number {
    if (path === "/gone") return 410;
    if ([...this.broken].some((end) => path.endsWith(end))) return 500;
    const isFirst = this.calls.filter((call) => call === path).length === 1;
    return path.startsWith("/flaky/") && isFirst ? 500 : 204;
  }
}
