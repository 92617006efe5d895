import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// `taskweft/...` means our own sources in this repository, never a build that may be stale.
const conditions = ["taskweft-source", "node", "import", "module", "default"];

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["test/**/*.test.ts", "examples/*/test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ".weft/**", "test/golden/**", "test/types/cases/**"],
    // Processes, not threads: tests send signals, change directory and read process.exitCode.
    pool: "forks",
    maxWorkers: 2,
    // For a slow machine that does other things besides: a test that hangs says so by its own bounds.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A test that was left unawaited must fail the run instead of vanishing in the log.
    dangerouslyIgnoreUnhandledErrors: false,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
