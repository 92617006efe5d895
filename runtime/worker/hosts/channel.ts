/** Threads and processes as one thing: something that takes messages, gives messages, and is gone at some time. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker as Thread } from "node:worker_threads";
import type { IsolateRule } from "../../definition/index.js";
import type { FromHost, ToHost } from "./messages.js";

export interface Channel {
  post(message: ToHost): void;
  /** For real, also out of an endless loop. `gone` follows. */
  kill(): void;
}

export interface ChannelEvents {
  message(message: FromHost): void;
  /** Called once. `how`: what became of it, for people; `cause`: an error that nothing caught. */
  gone(how: string, cause?: unknown): void;
}

const HOST_BODY = new URL("./host-body.js", import.meta.url);

export function openChannel({ in: kind, memoryMb }: IsolateRule, events: ChannelEvents): Channel {
  return kind === "thread" ? openThread(memoryMb, events) : openProcess(memoryMb, events);
}

function openThread(memoryMb: number | undefined, events: ChannelEvents): Channel {
  const limits = memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMb } };
  const thread = new Thread(HOST_BODY, limits);
  let cause: unknown;
  thread.on("message", (message: unknown) => heard(message, events));
  thread.on("error", (error: unknown) => {
    cause = error;
  });
  thread.on("exit", (code) => {
    const full = (cause as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    events.gone(full ? "it was out of memory" : `exit code ${code}`, cause);
  });
  // What keeps a worker going is its connection to Redis.
  thread.unref();
  return {
    post: (message) => thread.postMessage(message),
    kill: () => void thread.terminate(),
  };
}

function openProcess(memoryMb: number | undefined, events: ChannelEvents): Channel {
  const limits = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`];
  const child = fork(fileURLToPath(HOST_BODY), [], {
    execArgv: [...inheritedArguments(process.execArgv), ...limits],
    // As between threads: values of JSON and bytes (of a TLS certificate) arrive as they are.
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let over = false;
  const gone = (how: string, cause?: unknown): void => {
    if (over) return;
    over = true;
    events.gone(how, cause);
  };
  child.on("message", (message: unknown) => heard(message, events));
  child.on("error", (error) => {
    // Only of a process that never was: every other one ends with "exit".
    if (child.pid === undefined) gone("it could not be started", error);
  });
  child.on("exit", (code, signal) => gone(endOf(code, signal)));
  child.unref();
  child.channel?.unref();
  return {
    // One that has just died says so by "exit".
    post: (message) => void child.send(message, () => undefined),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** A handler's libraries may send on the same wire: what is not in our envelope is not for us. */
function heard(message: unknown, events: ChannelEvents): void {
  if (typeof message !== "object" || message === null || !("taskweft" in message)) return;
  events.message(message.taskweft as FromHost);
}

function endOf(code: number | null, signal: string | null): string {
  if (signal === "SIGABRT") return "signal SIGABRT, as when Node is out of memory";
  if (signal === "SIGKILL") return "signal SIGKILL, as when the system is out of memory";
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

const WITH_VALUE = new Set(["-e", "-p", "-pe", "--eval", "--print"]);
const NOT_INHERITED = /^(?:-i|--(?:inspect|interactive|input-type|watch|test)\b.*|--(?:eval|print)=.*)$/;

/** The loaders and limits of this process hold for its children; its debugger's port and its program do not. */
export function inheritedArguments(execArgv: readonly string[]): string[] {
  return execArgv.filter(
    (argument, index) =>
      !WITH_VALUE.has(argument) &&
      !WITH_VALUE.has(execArgv[index - 1] ?? "") &&
      !NOT_INHERITED.test(argument),
  );
}
