/** `isolate` of a task: where its handler runs. */
import { z } from "zod";
import { HOST_KINDS } from "../../runtime/definition/index.js";

const hostKind = z.enum(HOST_KINDS);
const MEMORY_PATTERN = /^([1-9][0-9]{0,5})(MiB|GiB)$/;
/** Smallest heap limit: the library and a TypeScript loader alone take a good part of it. */
const LEAST_MEMORY_MB = 64;
const MAX_HOSTS = 256;

export const isolateDefinition = z
  .union([
    hostKind,
    z.strictObject({
      in: hostKind.meta({ description: "thread: in a thread of its worker. process: in a child process." }),
      memory: z
        .string()
        .regex(MEMORY_PATTERN, { error: ({ input }) => expectedMemory(input), abort: true })
        .refine((text) => memoryMb(text) >= LEAST_MEMORY_MB, { error: ({ input }) => expectedMemory(input) })
        .optional()
        .meta({
          description: "Heap limit; an attempt that needs more memory fails. Default: Node's.",
          examples: ["512MiB"],
        }),
      most: z
        .int()
        .min(1)
        .max(MAX_HOSTS)
        .optional()
        .meta({
          description: "Most threads or processes in one worker. Default: the number of processors.",
          examples: [4],
        }),
    }),
  ])
  .meta({
    id: "Isolate",
    description:
      "Where the handler runs, for work that is CPU-bound or may crash. thread: in a thread of its worker. process: in a child process. Default: in the worker itself.",
    examples: ["thread"],
  });
export type IsolateDefinition = z.infer<typeof isolateDefinition>;

/** `1GiB` gives 1024. The text must match the pattern. */
export function memoryMb(text: string): number {
  const [, count, unit] = MEMORY_PATTERN.exec(text) ?? [];
  return Number(count) * (unit === "GiB" ? 1024 : 1);
}

function expectedMemory(input: unknown): string {
  return `expected a size of at least ${LEAST_MEMORY_MB}MiB such as 512MiB or 2GiB, got ${JSON.stringify(input)}`;
}
