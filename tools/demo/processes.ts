/** The processes of the demo: workers and the producer, each a node of its own, all ended with it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";

export interface DemoProcess {
  readonly name: string;
  /** File with all that it printed. */
  readonly log: string;
  readonly pid: number;
  /** Settles when the process is gone: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly isRunning: () => boolean;
  kill(signal: NodeJS.Signals): void;
}

export interface DemoFolders {
  readonly root: string;
  /** Where logs go. */
  readonly logs: string;
}

/** What `weft worker` runs, without the command around it: the pid is the worker itself, so that --kill hits it. */
export function startWorker(folders: DemoFolders, number: number, env: NodeJS.ProcessEnv): DemoProcess {
  return startScript(folders, `worker-${number}`, ["generated/worker.ts"], env);
}

export function startProducer(
  folders: DemoFolders,
  orders: number,
  rate: number,
  env: NodeJS.ProcessEnv,
): DemoProcess {
  return startScript(folders, "producer", ["tools/demo/producer.ts", String(orders), String(rate)], env);
}

/** A TypeScript file of the project as a process; `args` begin with it. */
export function startScript(
  folders: DemoFolders,
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): DemoProcess {
  const child = spawn(process.execPath, ["--import", "tsx", ...args], {
    cwd: folders.root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log = join(folders.logs, `${name}.log`);
  const logStream = createWriteStream(log);
  child.stdout.pipe(logStream, { end: false });
  child.stderr.pipe(logStream, { end: false });
  // The demo may end by an error of its own; what it started must not outlive it.
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  const ended = endOf(child).finally(() => {
    process.off("exit", killWithUs);
    logStream.end();
  });
  return {
    name,
    log,
    pid: child.pid ?? 0,
    ended,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: (signal) => void child.kill(signal),
  };
}

async function endOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return code ?? signal ?? 1;
}

/** Asks all to stop and waits; one that does not within the time is killed. */
export async function stopAll(processes: readonly DemoProcess[], withinMs: number): Promise<void> {
  const running = processes.filter((one) => one.isRunning());
  for (const one of running) one.kill("SIGTERM");
  const timer = setTimeout(() => {
    for (const one of running) if (one.isRunning()) one.kill("SIGKILL");
  }, withinMs);
  await Promise.all(running.map((one) => one.ended));
  clearTimeout(timer);
}
