// Workers that die: their end is said, whatever else goes on.
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { Life } from "./mortal-worker.js";
import { startRedis } from "./redis.js";

const redis = await startRedis();

test.each(["frozen", "unsent"] as const)(
  "one dies %s beside a connection that is closed just then",
  async (death) => {
    const life = new Life();
    const open = async (): Promise<Redis> => {
      const connection = new Redis(redis.url, { connectionName: life.connectionName });
      connection.on("error", () => undefined);
      onTestFinished(() => connection.disconnect());
      await connection.ping();
      return connection;
    };
    const [closing, dying] = [await open(), await open()];
    closing.disconnect();
    // It says so until the socket is closed, and then rejects what was sent since.
    expect(closing.status).toBe("ready");
    life.endAt(1, death);
    void dying.ping();
    await life.ended.promise;
    life.thaw();
  },
);
