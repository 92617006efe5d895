import { defineHandler, PermanentError, StockLocked } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { isDiscontinued, stockIsLocked, takeTime } from "../../shop/weather.js";

/** Take the ordered goods out of the stock. */
export default defineHandler("inventory:update", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 5, 25, ctx.signal);
    if (isDiscontinued(job))
      throw new PermanentError("These goods are no longer made; no retry will find them.");
    if (stockIsLocked(job)) throw new StockLocked("Another order holds the stock row.");
    return { reserved: job.payload.lines.reduce((sum, line) => sum + line.quantity, 0) };
  }),
);
