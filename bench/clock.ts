/** Microseconds of the machine's monotonic clock: the same for all processes, unlike `performance.now()`. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1000;
}

/** A time of the calendar (milliseconds since the epoch) on the clock of `nowUs`. */
export function calendarUs(atMs: number): number {
  return nowUs() + (atMs - (performance.timeOrigin + performance.now())) * 1000;
}

/** CPU that this process has used, in microseconds. */
export function processCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
