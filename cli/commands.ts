/**
 * The commands of `weft`, one file each, loaded when they are called: `weft --version` reads none of them.
 * A module declares its arguments and options in `configure`, and acts only in its actions.
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

/** In the order of `weft --help`: alphabetical. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  codegen: {
    summary: "Check the definitions in tasks/ and write generated/",
    load: () => import("./commands/codegen.js"),
  },
  config: {
    summary: "Print every setting in force, and who has set it",
    load: () => import("./commands/config.js"),
  },
  dev: {
    summary: "Redis, code generation on save and a worker that restarts, in one terminal",
    load: () => import("./commands/dev.js"),
  },
  doctor: {
    summary: "Look for what is wrong with this project, this machine and its Redis",
    load: () => import("./commands/doctor.js"),
  },
  enqueue: {
    summary: "Enqueue one job, checked against its task's schema",
    load: () => import("./commands/enqueue.js"),
  },
  events: {
    summary: "List, show and replay events that are kept",
    load: () => import("./commands/events.js"),
  },
  fsck: {
    summary: "Look for jobs that are not where they belong, and repair what is safe to repair",
    load: () => import("./commands/fsck.js"),
  },
  init: {
    summary: "Make a project that runs, in this folder or a new one",
    load: () => import("./commands/init.js"),
  },
  jobs: {
    summary: "List, show, retry, cancel and delete jobs",
    load: () => import("./commands/jobs.js"),
  },
  metrics: {
    summary: "Print what Redis knows of queues and workers, in the format of Prometheus",
    load: () => import("./commands/metrics.js"),
  },
  queues: {
    summary: "List, show, pause, resume, drain and purge queues",
    load: () => import("./commands/queues.js"),
  },
  runs: {
    summary: "List, show, cancel and retry workflow runs",
    load: () => import("./commands/runs.js"),
  },
  schedules: {
    summary: "List, show, pause, resume and run schedules",
    load: () => import("./commands/schedules.js"),
  },
  tasks: {
    summary: "List, show, pause, resume and drain tasks",
    load: () => import("./commands/tasks.js"),
  },
  worker: {
    summary: "Run a worker process for this project",
    load: () => import("./commands/worker.js"),
  },
};
