import { defineHandler, ShelfEmpty } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { shelfIsEmpty, takeTime } from "../../shop/weather.js";

/** Pack one line of an order. */
export default defineHandler("warehouse:pack", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 5, 15, ctx.signal);
    if (shelfIsEmpty(job)) throw new ShelfEmpty(`There is no ${job.payload.line.sku} on its shelf.`);
    return { parcelId: `parcel-${job.payload.orderNumber}-${job.payload.place}` };
  }),
);
