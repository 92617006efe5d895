/**
 * `weft worker --processes`: keeps several worker processes running. The supervisor runs no jobs, does not
 * connect to Redis and shares nothing with its workers, so that the death of one affects no other.
 */
import { exposition, FleetMetrics, type MetricsAddress, serveMetrics } from "../../runtime/metrics/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { whenAborted } from "../io.js";
import { WorkerSlot, type WorkerSlotOptions } from "./worker-slot.js";

/** Failed starts in a row, in every slot, after which the supervisor gives up. */
const MAX_FAILED_STARTS = 3;

export interface SupervisorOptions extends Pick<WorkerSlotOptions, "args" | "cwd" | "env" | "log"> {
  readonly processes: number;
  /** Where to serve the combined metrics of all workers. Default: nowhere. */
  readonly endpoint?: MetricsAddress | undefined;
  /** Aborts when all workers are to stop. */
  readonly interrupted: AbortSignal;
}

/**
 * Runs workers until the signal aborts and all of them have stopped, however long they take; ending this
 * process meanwhile kills them. Gives up if no worker becomes ready: a handler file that cannot be loaded
 * would fail for ever.
 */
export async function supervise(options: SupervisorOptions): Promise<ExitCode> {
  const { processes, endpoint, interrupted, log } = options;
  const metrics = new FleetMetrics();
  const served = endpoint && (await serveMetrics(endpoint, async () => exposition(await metrics.snapshot())));
  let giveUp = (): void => undefined;
  const hopeless = new Promise<true>((resolve) => (giveUp = () => resolve(true)));
  const slots = Array.from(
    { length: processes },
    (_, index) =>
      new WorkerSlot({
        ...options,
        metrics,
        number: index + 1,
        onFailedStart() {
          if (slots.every((slot) => slot.failedStarts >= MAX_FAILED_STARTS)) giveUp();
        },
      }),
  );
  const killAll = (): void => {
    for (const slot of slots) slot.kill();
  };
  process.once("exit", killAll);
  for (const slot of slots) slot.start();
  const failed = await Promise.race([hopeless, whenAborted(interrupted).then(() => false)]);
  if (failed) log(`no worker process got ready in ${MAX_FAILED_STARTS} starts; the reason stands above`);
  else log("stopping; a second signal ends the workers at once");
  const inOrder = await Promise.all(slots.map((slot) => slot.stop()));
  process.off("exit", killAll);
  await served?.close();
  return failed || inOrder.includes(false) ? EXIT.failed : EXIT.ok;
}
