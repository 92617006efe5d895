import { defineHandler } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime } from "../../shop/weather.js";

/** Write the invoice and store it. */
export default defineHandler("invoice:generate", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 40, 120, ctx.signal);
    return { invoiceId: `invoice-${job.payload.orderNumber}` };
  }),
);
