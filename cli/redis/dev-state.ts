/**
 * Tracks the users of the project's own Redis in `.weft/redis.json`, guarded by `.weft/redis.lock`. Several
 * commands may share one server (`weft dev` in one terminal, the demo in another); the last one to leave
 * stops it. A user that was killed is recognised by its dead process id and no longer counts; a server left
 * behind is taken over by the next command.
 */
import { readFileSync, rmSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CliError, codeOf } from "../errors.js";
import { EXIT } from "../exit-codes.js";

export interface DevState {
  /** `process`: a Redis server of its own. `embedded`: runs inside the process `pid` and ends with it. */
  readonly kind: "process" | "embedded";
  readonly pid: number;
  readonly port: number;
  /** Name and version of the server program, for people. */
  readonly product: string;
  /** Process ids of the commands that use the server, one entry per use. */
  readonly users: readonly number[];
}

const LOCK_WAIT_MS = 30_000;
const LOCK_POLL_MS = 25;

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** The state with one more use; a process may use the server twice. Users with a dead process are dropped. */
export function withUse(state: DevState, pid: number): DevState {
  return { ...state, users: [...state.users.filter(isAlive), pid] };
}

/** The state with one use less. Users with a dead process are dropped. */
export function withoutUse(state: DevState, pid: number): DevState {
  const users = state.users.filter(isAlive);
  const at = users.indexOf(pid);
  return { ...state, users: at < 0 ? users : users.toSpliced(at, 1) };
}

/** Whether another living process uses the server. */
export function usedByOthers(state: DevState, pid: number): boolean {
  return state.users.some((user) => user !== pid && isAlive(user));
}

export async function readState(folder: string): Promise<DevState | undefined> {
  try {
    return parseState(await readFile(stateFile(folder), "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** For the `exit` event, which allows only synchronous work. */
export function readStateSync(folder: string): DevState | undefined {
  try {
    return parseState(readFileSync(stateFile(folder), "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export function removeStateSync(folder: string): void {
  rmSync(stateFile(folder), { force: true });
}

export async function writeState(folder: string, state: DevState | undefined): Promise<void> {
  if (state === undefined) return rm(stateFile(folder), { force: true });
  const temporary = `${stateFile(folder)}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, stateFile(folder));
}

/** Runs `action` while no other process of this project starts or stops Redis. */
export async function withLock<Result>(folder: string, action: () => Promise<Result>): Promise<Result> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "redis.lock");
  await takeLock(file);
  try {
    return await action();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string): Promise<void> {
  const giveUpAt = performance.now() + LOCK_WAIT_MS;
  while (!(await tryLock(file))) {
    const holder = Number(await readLock(file));
    if (holder > 0 && !isAlive(holder)) {
      await rm(file, { force: true });
    } else if (performance.now() > giveUpAt) {
      throw new CliError("RedisLocked", `process ${holder} has been starting or stopping Redis for 30 s`, {
        exitCode: EXIT.redisUnreachable,
        fix: `end that process, or delete ${file} if it is gone`,
      });
    } else {
      await pause(LOCK_POLL_MS);
    }
  }
}

async function tryLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx", 0o600);
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function readLock(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    // The lock was released between the two calls: the next try takes it.
    if (codeOf(error) === "ENOENT") return "";
    throw error;
  }
}

function stateFile(folder: string): string {
  return join(folder, "redis.json");
}

/** A truncated or edited file counts as absent: the worst consequence is a second server on another port. */
function parseState(text: string): DevState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, pid, port, product, users } = value as Record<string, unknown>;
  if (kind !== "process" && kind !== "embedded") return undefined;
  if (!isPositive(pid) || !isPositive(port) || typeof product !== "string") return undefined;
  if (!Array.isArray(users) || !users.every(isPositive)) return undefined;
  return { kind, pid, port, product, users };
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
}
