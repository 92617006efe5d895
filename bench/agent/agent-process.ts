import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Library, Target } from "../adapters/adapter.js";
import type { AgentReply, AgentRequest, AgentRole, Operation, Operations } from "./messages.js";

const AGENT_FILE = fileURLToPath(new URL("./agent.ts", import.meta.url));
/** Longest wait for one operation. The slowest (a million jobs removed one by one) takes about a minute. */
const OPERATION_TIMEOUT_MS = 180_000;
const CLOSE_TIMEOUT_MS = 10_000;

/** The harness' side of an agent: one fresh Node process per sample. */
export class AgentProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  #closing = false;

  /** Starts the process and lets it load and connect `library`. */
  static async start(library: Library, target: Target, role: AgentRole): Promise<AgentProcess> {
    const agent = new AgentProcess();
    try {
      await agent.call("open", { library, target, role });
    } catch (error) {
      await agent.kill();
      throw error;
    }
    return agent;
  }

  private constructor() {
    this.#child = fork(AGENT_FILE, {
      // Only the loader for TypeScript: what this process was started with must not reach the library under test.
      execArgv: ["--import", "tsx"],
      serialization: "advanced",
    });
    this.#child.on("message", (message: AgentReply) => this.#settle(message));
    this.#child.on("exit", (code, signal) => this.#fail(code, signal));
  }

  /** Asks for an operation; rejects with the agent's own error, its exit, or when it takes too long. */
  async call<Name extends Operation>(
    operation: Name,
    request: Operations[Name]["request"],
  ): Promise<Operations[Name]["reply"]> {
    const id = ++this.#lastId;
    const message: AgentRequest = { id, operation, request };
    const reply = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const timer = setTimeout(() => {
      this.#reject(id, new Error(`agent: ${operation} took more than ${OPERATION_TIMEOUT_MS / 1000} s`));
    }, OPERATION_TIMEOUT_MS);
    try {
      this.#child.send(message);
      return (await reply) as Operations[Name]["reply"];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the library and ends the process; a process that does not end is killed. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#exited()) return;
    const exited = once(this.#child, "exit");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), CLOSE_TIMEOUT_MS);
    try {
      this.#child.send({ id: ++this.#lastId, operation: "close", request: undefined } satisfies AgentRequest);
      await exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process at once; for samples that failed. */
  async kill(): Promise<void> {
    this.#closing = true;
    if (this.#exited()) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #settle(message: AgentReply): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.reply);
    else waiting?.reject(new Error(`agent: ${message.error}`));
  }

  #reject(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
    this.#waiting.delete(id);
  }

  #fail(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#closing) return;
    const error = new Error(
      `agent: the process ended (${signal ?? `exit code ${code}`}) during an operation`,
    );
    for (const id of this.#waiting.keys()) this.#reject(id, error);
  }
}
