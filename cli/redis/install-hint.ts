/** The command that installs a Redis on this system. */
import { readFileSync } from "node:fs";
import { codeOf } from "../errors.js";

const LINUX_FAMILIES: readonly (readonly [pattern: RegExp, command: string])[] = [
  [/\b(debian|ubuntu)\b/, "sudo apt-get install redis-server"],
  [/\b(alpine)\b/, "apk add valkey"],
  [/\b(arch)\b/, "sudo pacman -S valkey"],
  [/\b(fedora|rhel|centos)\b/, "sudo dnf install valkey"],
  [/\b(suse|opensuse)\b/, "sudo zypper install redis"],
];

export function installHint(
  platform: NodeJS.Platform = process.platform,
  osRelease = readOsRelease(),
): string {
  if (platform === "darwin") return "brew install valkey";
  if (platform === "win32")
    return "use WSL (sudo apt-get install redis-server) or Docker (docker run -p 6379:6379 valkey/valkey)";
  const ids = (osRelease.match(/^ID(_LIKE)?=.*$/gm) ?? []).join(" ").toLowerCase();
  const family = LINUX_FAMILIES.find(([pattern]) => pattern.test(ids));
  return family?.[1] ?? "install redis (7.0 or newer) or valkey (7.2 or newer) with your package manager";
}

function readOsRelease(): string {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "";
    throw error;
  }
}
