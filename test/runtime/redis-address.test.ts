// What an address of Redis may say, and what is said of one that says something else.
import { describe, expect, test } from "vitest";
import { parseRedisAddress } from "../../runtime/config/redis-address.js";
import { maskUrl } from "../../runtime/connection/index.js";
import { createClient } from "../../runtime/generated-v1.js";

describe("an address", () => {
  test.each([
    ["redis://localhost", { kind: "server", hosts: [{ host: "localhost", port: 6379 }], tls: false }],
    [
      "rediss://u:p@r.example:6380/2",
      { kind: "server", hosts: [{ host: "r.example", port: 6380 }], tls: true },
    ],
    [
      "redis+sentinel://u%40x:p%2F1@a:1,b/main/3?sentinelPassword=s%26t",
      {
        kind: "sentinel",
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 26_379 },
        ],
        options: {
          username: "u@x",
          password: "p/1",
          name: "main",
          db: 3,
          sentinelPassword: "s&t",
          sentinels: [
            { host: "a", port: 1 },
            { host: "b", port: 26_379 },
          ],
        },
      },
    ],
    [
      "rediss+sentinel://a/main",
      { tls: true, options: { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } },
    ],
    [
      "redis+cluster://:secret@[::1]:7000,b:7001",
      {
        kind: "cluster",
        hosts: [
          { host: "::1", port: 7000 },
          { host: "b", port: 7001 },
        ],
        options: { password: "secret" },
      },
    ],
    ["REDISS+CLUSTER://a", { kind: "cluster", tls: true, hosts: [{ host: "a", port: 6379 }] }],
  ])("%s", (text, address) => {
    expect(parseRedisAddress(text)).toMatchObject(address);
  });

  test.each([
    ["localhost:6379", "no such URL"],
    ["redis+sentinel://a:1,b:2", "expected the name of the primary behind the Sentinels, as in .../mymaster"],
    ["redis+sentinel://a/main/x", "expected a database number behind the name"],
    ["redis+sentinel://a,/main", 'expected host:port,host:port, got "" among the hosts'],
    ["redis+cluster://a:99999", 'expected host:port,host:port, got "a:99999" among the hosts'],
    ["redis://a/b", "expected a database number behind the host, as in redis://host:6379/0"],
    ["redis://a/1/2", "expected a database number behind the host"],
    ["redis://a?db=b", "expected a database number behind the host"],
    ["redis+cluster://a/1", "a Cluster has database 0 only"],
    ["redis+cluster://a?name=x", 'unknown parameter "name"; known: none'],
    [
      "redis+sentinel://a/m?sentinelPasswort=x",
      /unknown parameter "sentinelPasswort"; known: sentinelUsername/,
    ],
    [
      "redis+sentinel://u:p@a/m?sentinelPassword=p@b",
      'expected "@" in sentinelUsername and sentinelPassword as %40',
    ],
    ["redis+foo://a", "no such URL"],
    ["redis+cluster://a b", 'expected host:port,host:port, got "a b" among the hosts'],
  ])("%s is refused: %s", (text, message) => {
    expect(() => parseRedisAddress(text)).toThrow(message);
  });

  test.each([
    ["redis://user:canary", "redis://user:***"],
    ["redis://user:canary/0", "redis://user:***"],
    ["redis+sentinel://user:canary", "redis+sentinel://user:***"],
    ["redis+cluster://a:1,:canary", "redis+cluster://a:1,:***"],
  ])("%s, which lacks its host, is told without its password", (url, shown) => {
    const open = () => createClient({ url });
    expect(open).toThrow(`got ${shown} (`);
    expect(open).not.toThrow(/canary/);
  });

  test.each([
    "redis://host:6379/0",
    "redis://[::1]:6379",
    "redis+cluster://a:1,b:2",
    "redis+sentinel://a,b:2/main/1",
  ])("%s is told whole", (url) => {
    expect(maskUrl(url)).toBe(url);
  });

  test("that is wrong is told without its passwords", () => {
    const open = () => createClient({ url: "redis+sentinel://u:canary@a?sentinelPassword=canary" });
    expect(open).toThrow(
      'OptionInvalid: url: expected redis://user:password@host:port, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port (rediss for TLS), got redis+sentinel://***@a?sentinelPassword=*** (expected the name of the primary behind the Sentinels, as in .../mymaster). Write "/", "?" and "#" in a password as %2F, %3F and %23.',
    );
  });
});
