// What a server is told, by MONITOR on a bare socket: a client library may break when the first line comes in one packet
// with the answer to MONITOR.
import { connect } from "node:net";

export interface Monitor {
  close(): void;
}

/** `source` is the address of the client, or `lua`. */
export type Seen = (args: readonly string[], source: string) => void;

/** Resolves when everything that comes from now on will be seen. */
export async function monitor(port: number, seen: Seen): Promise<Monitor> {
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  await new Promise<void>((resolve, reject) => {
    let text = "";
    socket.on("error", reject);
    socket.on("data", (chunk: string) => {
      const lines = (text + chunk).split("\r\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "+OK") resolve();
        else tell(line, seen);
      }
    });
    socket.write("MONITOR\r\n");
  });
  return { close: () => socket.destroy() };
}

/** `+1339518083.107412 [0 127.0.0.1:60866] "get" "key"` */
function tell(line: string, seen: Seen): void {
  const [, source = "", rest = ""] = /^\+[\d.]+ \[\d+ ([^\]]*)\] (.*)$/.exec(line) ?? [];
  const args = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, arg = ""]) => arg);
  seen(args, source);
}
