import { createRequire } from "node:module";

const requirePeer = createRequire(new URL("../peers/package.json", import.meta.url));

/**
 * A module of `bench/peers/node_modules`. The peers are no dependency of the project, so their types are not there when
 * it is checked: the caller names the few members that it uses.
 */
export function loadPeer(name: string): unknown {
  return requirePeer(name);
}

/** Installed version of a peer. */
export function peerVersion(name: string): string {
  const manifest = requirePeer(`./node_modules/${name}/package.json`) as { version: string };
  return manifest.version;
}
