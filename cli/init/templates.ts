/** The files of a new project, small enough to read in a minute; all of their code runs. */

export interface TemplateFile {
  /** Path relative to the project, with `/`. */
  readonly path: string;
  readonly text: string;
}

const DEFINITIONS = `# yaml-language-server: $schema=../generated/tasks.schema.json
version: 1
queues:
  default: { weight: 1 }
retryPolicies:
  quick: { maxRetries: 5, backoff: { type: fixed, delay: 1s } }
tasks:
  hello:flaky:
    description: Fails twice, then succeeds, to show a retry.
    retry: quick
    payload: { name: string }
    result: { attempts: integer }
  hello:greet:
    description: Greet somebody.
    payload: { name: string, language: string? }
    result: { greeting: string }
`;

const GREET_HANDLER = `import { defineHandler } from "../../../generated/index.js";

/** Greet somebody. */
export default defineHandler("hello:greet", async (job, ctx) => {
  const greeting = \`\${job.payload.language === "fr" ? "Bonjour" : "Hello"}, \${job.payload.name}!\`;
  ctx.log.info(greeting);
  return { greeting };
});
`;

const FLAKY_HANDLER = `import { defineHandler } from "../../../generated/index.js";

/** Fails twice, then succeeds, to show a retry. */
export default defineHandler("hello:flaky", async (job, ctx) => {
  if (job.attempt < 3) throw new Error(\`attempt \${job.attempt} fails on purpose\`);
  ctx.log.info(\`attempt \${job.attempt} succeeds\`);
  return { attempts: job.attempt };
});
`;

const PRODUCER = `// A producer: any process of yours that can import generated/. \`npm run dev\` runs it once.
import { connect, enqueueHelloFlaky, enqueueHelloGreet } from "../generated/index.js";

const client = await connect();
const greet = await enqueueHelloGreet({ name: "Ada" });
const flaky = await enqueueHelloFlaky({ name: "Ada" }, { delay: "500ms" });
console.log(\`enqueued hello:greet \${greet.id} and hello:flaky \${flaky.id}\`);

const { greeting } = await greet.result({ timeout: "30s" });
console.log(\`hello:greet completed: \${greeting}\`);
const { attempts } = await flaky.result({ timeout: "30s" });
console.log(\`hello:flaky completed after \${attempts} attempts\`);
await client.close();
`;

const README = `# Background jobs with taskweft

- \`tasks/hello.yaml\` declares the tasks; \`tasks/handlers/\` does them.
- \`npm run codegen\` writes \`generated/\` from the definitions. Commit it; never edit it.
- \`npm run dev\` finds or starts Redis, generates on every save, restarts the worker and runs
  \`src/enqueue-hello.ts\` once, so that jobs are seen to run.
- \`npm run enqueue\` enqueues one more job from another terminal.
- \`npm run worker\` is what runs in production, with TASKWEFT_REDIS_URL set.

Add a task: write it in \`tasks/hello.yaml\`, save, and fill in the handler that appears.
`;

const TSCONFIG = {
  compilerOptions: {
    target: "es2023",
    module: "nodenext",
    moduleResolution: "nodenext",
    types: ["node"],
    strict: true,
    skipLibCheck: true,
    verbatimModuleSyntax: true,
    noEmit: true,
  },
  include: ["generated", "src", "tasks"],
};

export const GITIGNORE_LINES = ["node_modules/", ".weft/"] as const;

export const TEMPLATE_FILES: readonly TemplateFile[] = [
  { path: "README.md", text: README },
  { path: "src/enqueue-hello.ts", text: PRODUCER },
  { path: "tasks/handlers/hello/flaky.ts", text: FLAKY_HANDLER },
  { path: "tasks/handlers/hello/greet.ts", text: GREET_HANDLER },
  { path: "tasks/hello.yaml", text: DEFINITIONS },
  { path: "tsconfig.json", text: `${JSON.stringify(TSCONFIG, undefined, 2)}\n` },
];

export const PACKAGE_SCRIPTS: Readonly<Record<string, string>> = {
  codegen: "weft codegen",
  dev: "weft dev --run src/enqueue-hello.ts",
  enqueue: 'weft enqueue hello:greet "{\\"name\\":\\"Grace\\"}"',
  types: "tsc --noEmit",
  worker: "weft worker",
};
