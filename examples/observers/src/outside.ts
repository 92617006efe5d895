/** Calls to what lies outside: partners, the mail service, the counters. */
import { Refused } from "../generated/index.js";

/**
 * `key` tells the receiver that a call repeats an earlier one.
 * @throws Refused when another call cannot succeed (400 to 499), an error that is worth a retry for everything else.
 */
export async function tell(path: string, body: object, key: string, signal: AbortSignal): Promise<void> {
  const base = process.env["OBSERVERS_OUTSIDE_URL"];
  if (!base) throw new Error("OBSERVERS_OUTSIDE_URL: expected an address, got nothing");
  const response = await fetch(new URL(path, base), {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
    signal,
  });
  await response.arrayBuffer();
  if (response.status >= 400 && response.status < 500)
    throw new Refused(`${path} answered ${response.status}`);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
}
