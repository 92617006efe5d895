import { join } from "node:path";
import { parseArgs } from "node:util";

export interface DemoOptions {
  /** End by itself when every order is accounted for. Default: go on until Ctrl-C. */
  readonly once: boolean;
  /** Orders to place. Default: 200 with --once, else no end. */
  readonly orders: number;
  /** Orders a second; each is six jobs, or every third a run of the checkout. Default 40. */
  readonly rate: number;
  /** Worker processes. Default 3. */
  readonly workers: number;
  /** Where ledger and logs go; what an earlier demo left there is removed. Default `.weft/demo`. */
  readonly folder: string;
  /** Kill one worker with SIGKILL in the middle. Default false. */
  readonly kill: boolean;
}

export const DEMO_HELP = `npm run demo -- [options]
  --once       end with a summary when every order is accounted for (default: until Ctrl-C)
  --orders N   orders to place (default: 200 with --once, else no end)
  --rate N     orders a second, six jobs or a run of the checkout each (default: 40)
  --workers N  worker processes (default: 3)
  --folder F   where ledger and logs go, an empty folder or that of an earlier demo (default: .weft/demo)
  --kill       kill one worker with SIGKILL in the middle`;

/** @throws Error whose text says which option is wrong. */
export function parseDemoOptions(args: readonly string[]): DemoOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      folder: { type: "string", default: join(".weft", "demo") },
      help: { type: "boolean", default: false },
      kill: { type: "boolean", default: false },
      once: { type: "boolean", default: false },
      orders: { type: "string" },
      rate: { type: "string", default: "40" },
      workers: { type: "string", default: "3" },
    },
  });
  if (values.help) return "help";
  const defaultOrders = values.once ? 200 : Number.MAX_SAFE_INTEGER;
  return {
    folder: values.folder,
    kill: values.kill,
    once: values.once,
    orders: values.orders === undefined ? defaultOrders : wholeNumber("orders", values.orders, 1_000_000),
    rate: wholeNumber("rate", values.rate, 1000),
    // The killed worker's jobs need another one to finish them.
    workers: wholeNumber("workers", values.workers, 16, values.kill ? 2 : 1),
  };
}

function wholeNumber(option: string, text: string, most: number, least = 1): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(
    `--${option}: expected a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`,
  );
}
