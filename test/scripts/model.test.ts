// Random histories of every move, played on a model in plain maps and on Redis. MODEL_RUNS and MODEL_SEED play more of
// them, or one again.
import fc from "fast-check";
import { expect, test } from "vitest";
import { useShards } from "./shard-bench.js";
import { histories, play } from "./shard-moves.js";

const setup = useShards();

const RUNS = Number(process.env["MODEL_RUNS"] ?? 300);
const SEED = Number(process.env["MODEL_SEED"] ?? Date.now() % 2 ** 31);

test(
  `${RUNS} histories from seed ${SEED} end as the model says, sound after every move`,
  { timeout: 600_000 },
  async () => {
    const bench = setup();
    let moves = 0;
    const property = fc.asyncProperty(histories, async (history) => {
      moves += history.length;
      await bench.redis.flushdb();
      await play(bench, history);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
    // Histories without moves would prove nothing.
    expect(moves).toBeGreaterThan(RUNS * 5);
  },
);
