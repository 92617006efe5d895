/** The outside world of a command. Tests pass their own; nothing else in cli/ touches the streams of the process. */

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
  /** The result of the command, and nothing else: it is piped into other programs. */
  readonly stdout: TextOutput;
  /** Progress, warnings and errors. */
  readonly stderr: TextOutput;
  /** Aborts at the first Ctrl-C or SIGTERM. Calling it takes over from Node's default of ending at once. */
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

/** One Ctrl-C under `npm run` arrives twice: from the terminal, and passed on by npm. */
const SAME_KEYPRESS_MS = 500;

/** The first signal asks for an orderly end; a later one means now. */
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
