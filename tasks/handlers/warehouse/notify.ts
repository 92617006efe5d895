import { defineHandler, WarehouseOffline } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime, warehouseIsOffline } from "../../shop/weather.js";

/** Ask the warehouse to pack the order. */
export default defineHandler("warehouse:notify", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 10, 30, ctx.signal);
    if (warehouseIsOffline(job)) throw new WarehouseOffline("The warehouse did not answer.");
  }),
);
