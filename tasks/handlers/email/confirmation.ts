import { defineHandler, MailServerBusy } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { mailServerIsBusy, takeTime } from "../../shop/weather.js";

/** Tell the customer that the order has arrived. */
export default defineHandler("email:confirmation", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 10, 40, ctx.signal);
    if (mailServerIsBusy(job)) throw new MailServerBusy("421 try again later");
  }),
);
