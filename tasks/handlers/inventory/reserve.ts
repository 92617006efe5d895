import { defineHandler } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime } from "../../shop/weather.js";

/** Lay the ordered goods aside. */
export default defineHandler("inventory:reserve", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 5, 25, ctx.signal);
    return { reservationId: `reservation-${job.payload.orderNumber}` };
  }),
);
