import { CardDeclined, defineHandler, GatewayBusy } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { cardIsDeclined, gatewayIsBusy, takeTime } from "../../shop/weather.js";

/** Charge the customer's card, once an order. */
export default defineHandler("payment:process", (job, ctx) =>
  recorded(job, async () => {
    await takeTime(job, 20, 80, ctx.signal);
    if (cardIsDeclined(job)) throw new CardDeclined(`The bank declined order ${job.payload.orderNumber}.`);
    if (gatewayIsBusy(job)) throw new GatewayBusy("The payment gateway answered 503.");
    // A real provider gets ctx.idempotencyKey: should this process die now, the next attempt charges nothing twice.
    return { receiptId: `receipt-${ctx.idempotencyKey}` };
  }),
);
