/** Calls to systems of the project: its webhook, its collector, its people. */

/** The address answers that it is gone for good. */
export class AddressGone extends Error {
  override readonly name = "AddressGone";
}

/** @throws AddressGone for 410, an error for everything else that is no success. */
export async function deliver(url: string, body: object, key: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
    signal,
  });
  await response.arrayBuffer();
  if (response.status === 410) throw new AddressGone(`${url} is gone`);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
}

/** Address of a system whose base is in the environment, such as AGENTTRACE_COLLECTOR_URL. */
export function addressOf(variable: string, path: string): string {
  const base = process.env[variable];
  if (!base) throw new Error(`${variable}: expected an address, got nothing`);
  return new URL(path, base).href;
}
