/**
 * What codegen emits for these workflows, written out; the chain has a step for each job.
 *
 *     bench:chain:
 *       input: { jobs: [BenchPayload] }
 *       retention: 0s
 *       steps:
 *         s0: { task: bench:job, with: "${{ input.jobs[0] }}" }
 *         s1: { task: bench:job, needs: [s0], with: "${{ input.jobs[1] }}" }
 *     bench:fan:
 *       input: { jobs: [BenchPayload], last: BenchPayload }
 *       retention: 0s
 *       steps:
 *         all: { task: bench:job, forEach: "${{ input.jobs }}", with: "${{ item }}" }
 *         last: { task: bench:job, needs: [all], with: "${{ input.last }}" }
 */
import {
  createClient,
  createStartFunction,
  defineWorkflow,
  fit,
  type StartFunction,
  type WorkflowDefinition,
  z,
} from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import type { FlowShape, Starter, Target } from "./adapter.js";
import { QUEUE_NAME } from "./queue-name.js";
import { benchJobContract, queues, schemas } from "./taskweft-contract.js";
import { redisUrl } from "./taskweft-url.js";

interface ChainInput {
  readonly jobs: readonly BenchPayload[];
}
interface FanInput extends ChainInput {
  readonly last: BenchPayload;
}

type Step = WorkflowDefinition["steps"][number];
type Payload = NonNullable<Step["job"]>["payload"];

export async function openStarter(target: Target): Promise<Starter> {
  const client = createClient({ url: redisUrl(target) });
  await client.ready();
  const fan = startFunction<FanInput>("fan", fanSteps());
  const chains = new Map<number, StartFunction<ChainInput, void>>();
  const chain = (length: number) => {
    const start = chains.get(length) ?? startFunction<ChainInput>("chain", chainSteps(length));
    chains.set(length, start);
    return start;
  };
  return {
    start: (shape, payloads) =>
      shape === "chain"
        ? chain(payloads.length)({ jobs: payloads }, { client })
        : fan({ jobs: payloads.slice(0, -1), last: payloads.at(-1)! }, { client }),
    close: () => client.close(),
  };
}

function startFunction<Input>(shape: FlowShape, steps: readonly Step[]): StartFunction<Input, void> {
  const definition: WorkflowDefinition = {
    name: `bench:${shape}`,
    hash: steps.length.toString(16).padStart(8, "0"),
    queue: QUEUE_NAME,
    steps,
    keepMs: 0,
  };
  return createStartFunction(
    defineWorkflow<Input, void>({
      definition,
      inputFits: (input) =>
        fit.list(input?.jobs, schemas.payloadFits) &&
        (shape === "chain" ? fit.closed(input, 1) : fit.closed(input, 2) && schemas.payloadFits(input.last)),
      input: () => inputSchema(shape),
    }),
    queues,
  );
}

/** Strict, as in the enqueue function of the task. */
function inputSchema(shape: FlowShape) {
  const payload = schemas.payloadStrict();
  const jobs = z.array(payload);
  return shape === "chain" ? z.strictObject({ jobs }) : z.strictObject({ jobs, last: payload });
}

const contract = benchJobContract({ keepCompleted: false, features: [] });

function chainSteps(length: number): readonly Step[] {
  return Array.from({ length }, (_unused, index) => ({
    name: `s${index}`,
    needs: index === 0 ? [] : [`s${index - 1}`],
    job: jobWith(["path", "input", "jobs", index]),
  }));
}

function fanSteps(): readonly Step[] {
  return [
    { name: "all", needs: [], forEach: ["path", "input", "jobs"], job: jobWith(["path", "item"]) },
    { name: "last", needs: ["all"], job: jobWith(["path", "input", "last"]) },
  ];
}

function jobWith(payload: Payload): NonNullable<Step["job"]> {
  return { task: contract.name, queue: contract.queue, hash: contract.hash, payload };
}
