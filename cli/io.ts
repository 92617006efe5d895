/**
 * The process environment of a command. Tests pass their own; nothing else in cli/ uses the process's
 * streams.
 */

export interface TextOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface TextInput extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
}

export interface Io {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: TextInput;
  /** Only the result of the command, because it is piped into other programs. */
  readonly stdout: TextOutput;
  /** Progress, warnings and errors. */
  readonly stderr: TextOutput;
  /** Aborts at the first Ctrl-C or SIGTERM. Calling it replaces Node's default, which is to exit at once. */
  interrupted(): AbortSignal;
}

export function processIo(): Io {
  let controller: AbortController | undefined;
  return {
    cwd: process.cwd(),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted() {
      controller ??= abortOnSignals();
      return controller.signal;
    },
  };
}

/** Under `npm run`, one Ctrl-C arrives twice: from the terminal and from npm. */
const SAME_KEYPRESS_MS = 500;

/** The first signal asks for a graceful end; a later one ends the process at once. */
function abortOnSignals(): AbortController {
  const controller = new AbortController();
  let firstAt = 0;
  for (const [name, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) {
        firstAt = performance.now();
        controller.abort(name);
      } else if (performance.now() - firstAt > SAME_KEYPRESS_MS) {
        process.exit(code);
      }
    });
  }
  return controller;
}

/** Resolves when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
