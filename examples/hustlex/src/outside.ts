/**
 * The systems outside of this one: the bank and the message gateway. Both take an idempotency key, as real providers do:
 * a call that is repeated with the same key has no second effect and gets the answer of the first.
 */

export interface TransferOrder {
  readonly from: string;
  readonly to: string;
  /** In kobo. */
  readonly amount: number;
}

export interface Transfer {
  readonly transferId: string;
}

/** The bank says no, and will say no again. */
export class AccountIsClosed extends Error {
  override readonly name = "AccountIsClosed";
}

/** Moves money. @throws AccountIsClosed, or an error after which nobody knows whether the money has moved. */
export async function transfer(order: TransferOrder, key: string, signal: AbortSignal): Promise<Transfer> {
  return (await post("/transfers", order, key, signal)) as Transfer;
}

export async function sendMessage(
  message: { readonly channel: "push" | "sms"; readonly memberId: string; readonly text: string },
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await post("/messages", message, key, signal);
}

/** Work on the members' database. */
export async function runUpkeep(
  what: "credit scores" | "expired passwords",
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await post("/upkeep", { what }, key, signal);
}

async function post(path: string, body: object, key: string, signal: AbortSignal): Promise<unknown> {
  const base = process.env["HUSTLEX_OUTSIDE_URL"];
  if (!base) throw new Error("HUSTLEX_OUTSIDE_URL: expected the address of bank and gateway, got nothing");
  const response = await fetch(new URL(path, base), {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
    signal,
  });
  if (response.status === 422) throw new AccountIsClosed(await response.text());
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return await response.json();
}
