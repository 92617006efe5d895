/**
 * A common interface for threads and processes: something that takes messages, sends messages, and ends at
 * some time.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker as Thread } from "node:worker_threads";
import type { IsolateRule } from "../../definition/index.js";
import type { FromHost, ToHost } from "./messages.js";

export interface Channel {
  post(message: ToHost): void;
  /** Kills the thread or process, even in an endless loop. `gone` follows. */
  kill(): void;
}

export interface ChannelEvents {
  message(message: FromHost): void;
  /**
   * Called once.
   * @param how what happened, as text for people.
   * @param cause the uncaught error, if there was one.
   */
  gone(how: string, cause?: unknown): void;
}

const NOT_STARTED = "it could not be started";
const HOST_BODY = new URL("./host-body.js", import.meta.url);

export function openChannel({ in: kind, memoryMb }: IsolateRule, events: ChannelEvents): Channel {
  try {
    return kind === "thread" ? openThread(memoryMb, events) : openProcess(memoryMb, events);
  } catch (error) {
    // The system has no more threads, processes or memory for this worker, which Node throws at once.
    setImmediate(() => events.gone(NOT_STARTED, error));
    return { post: () => undefined, kill: () => undefined };
  }
}

function openThread(memoryMb: number | undefined, events: ChannelEvents): Channel {
  const limits = memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMb } };
  // How many messages of the thread were handled. A handler that logs in an endless loop waits for this counter;
  // otherwise its messages would keep the worker from everything else, also from ending the thread.
  const handled = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const thread = new Thread(HOST_BODY, { ...limits, workerData: { handled } });
  let cause: unknown;
  thread.on("message", (message: unknown) => {
    if (!isOurs(message)) return;
    Atomics.add(handled, 0, 1);
    Atomics.notify(handled, 0);
    events.message(message.taskweft);
  });
  thread.on("error", (error: unknown) => {
    cause = error;
  });
  thread.on("exit", (code) => {
    const full = (cause as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    events.gone(full ? "it was out of memory" : `exit code ${code}`, cause);
  });
  // Only its connection to Redis keeps a worker process alive.
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
    // Structured clone, as between threads: JSON values and bytes (of a TLS certificate) arrive unchanged.
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let over = false;
  const gone = (how: string, cause?: unknown): void => {
    if (over) return;
    over = true;
    events.gone(how, cause);
  };
  child.on("message", (message: unknown) => {
    if (isOurs(message)) events.message(message.taskweft);
  });
  child.on("error", (error) => {
    // Only for a process that could not be started; every other one ends with "exit".
    if (child.pid === undefined) gone(NOT_STARTED, error);
  });
  child.on("exit", (code, signal) => gone(endOf(code, signal)));
  child.unref();
  child.channel?.unref();
  return {
    // The error of a process that has just died is ignored, because "exit" reports it. There is no `send` when
    // the worker has no more file descriptors: then "error" follows.
    post: (message) => void (child as Partial<typeof child>).send?.(message, () => undefined),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Libraries of a handler may send messages on the same channel; those without our envelope are ignored. */
function isOurs(message: unknown): message is { readonly taskweft: FromHost } {
  return typeof message === "object" && message !== null && "taskweft" in message;
}

function endOf(code: number | null, signal: string | null): string {
  if (signal === "SIGABRT") return "signal SIGABRT, as when Node is out of memory";
  if (signal === "SIGKILL") return "signal SIGKILL, as when the system is out of memory";
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

const WITH_VALUE = new Set(["-e", "-p", "-pe", "--eval", "--print"]);
const NOT_INHERITED = /^(?:-i|--(?:inspect|interactive|input-type|watch|test)\b.*|--(?:eval|print)=.*)$/;

/**
 * Child processes inherit the loaders and limits of this process, but not its debugger port and its program.
 */
export function inheritedArguments(execArgv: readonly string[]): string[] {
  return execArgv.filter(
    (argument, index) =>
      !WITH_VALUE.has(argument) &&
      !WITH_VALUE.has(execArgv[index - 1] ?? "") &&
      !NOT_INHERITED.test(argument),
  );
}
