import type { Command } from "commander";

export function configure(command: Command): void {
  command.action(() => {
    throw new Error("this command is not written yet");
  });
}
