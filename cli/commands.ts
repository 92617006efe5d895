/**
 * The commands of `weft`, one file each. A command's file is loaded only when the command is called, so that
 * `weft --version`
 * loads none. A module declares arguments and options in `configure` and does all work in its actions.
 */
import type { Command } from "commander";
import type { Session } from "./session.js";

export interface CommandModule {
  configure(command: Command, session: Session): void;
}

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** Alphabetical, which is also the order of `weft --help`. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  codegen: {
    summary: "Check the definitions in tasks/ and write generated/",
    load: () => import("./commands/codegen.js"),
  },
  config: {
    summary: "Print every effective setting and where it comes from",
    load: () => import("./commands/config.js"),
  },
  dev: {
    summary: "Run Redis, codegen on save and a self-restarting worker in one terminal",
    load: () => import("./commands/dev.js"),
  },
  doctor: {
    summary: "Check this project, this machine and its Redis for known problems",
    load: () => import("./commands/doctor.js"),
  },
  enqueue: {
    summary: "Enqueue one job, checked against its task's schema",
    load: () => import("./commands/enqueue.js"),
  },
  events: {
    summary: "List, show and replay retained events",
    load: () => import("./commands/events.js"),
  },
  fsck: {
    summary: "Check that every job is where it belongs; --repair fixes what is safe to fix",
    load: () => import("./commands/fsck.js"),
  },
  init: {
    summary: "Create a working project in this folder or a new one",
    load: () => import("./commands/init.js"),
  },
  jobs: {
    summary: "List, show, retry, cancel and delete jobs",
    load: () => import("./commands/jobs.js"),
  },
  metrics: {
    summary: "Print queue and worker metrics from Redis in Prometheus format",
    load: () => import("./commands/metrics.js"),
  },
  queues: {
    summary: "List, show, pause, resume, drain, accept and purge queues",
    load: () => import("./commands/queues.js"),
  },
  runs: {
    summary: "List, show, cancel, retry and skip steps of workflow runs",
    load: () => import("./commands/runs.js"),
  },
  schedules: {
    summary: "List, show, pause, resume and run schedules",
    load: () => import("./commands/schedules.js"),
  },
  tasks: {
    summary: "List, show, pause, resume, drain and accept tasks",
    load: () => import("./commands/tasks.js"),
  },
  worker: {
    summary: "Run a worker process for this project",
    load: () => import("./commands/worker.js"),
  },
  workers: {
    summary: "List the workers and what they hold",
    load: () => import("./commands/workers.js"),
  },
};
