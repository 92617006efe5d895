import { defineHandler } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime } from "../../shop/weather.js";

/** Give the customer the money back. */
export default defineHandler("payment:refund", (job, ctx) =>
  recorded(job, () => takeTime(job, 20, 80, ctx.signal)),
);
