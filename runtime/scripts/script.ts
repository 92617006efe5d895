/**
 * A Lua script: a name, a text and its SHA-1. The text is read on first use, never at import. `--@include
 * name name` stands for `lib/<name>.lua`, at the head of the script or inside the branch that alone needs it
 * (decision 60). Libraries include nothing.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export type ScriptArgument = string | number;

/** Runs scripts; implemented by the connection layer. */
export interface ScriptRunner {
  run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>;
}

export class Script {
  readonly name: string;
  /** Name of the operation in errors. */
  readonly operation: string;
  #text: string | undefined;
  #sha = "";

  constructor(name: string, operation: string = name) {
    this.name = name;
    this.operation = operation;
  }

  get text(): string {
    if (this.#text === undefined) {
      this.#text = readScript(this.name);
      this.#sha = createHash("sha1").update(this.#text).digest("hex");
    }
    return this.#text;
  }

  get sha(): string {
    if (this.#sha === "") void this.text;
    return this.#sha;
  }
}

function readScript(name: string): string {
  return readLua(`./${name}.lua`).replaceAll(/^--@include ([\w -]+)$/gm, (_line, names: string) =>
    names
      .split(" ")
      .map((include) => readLua(`./lib/${include}.lua`).trimEnd())
      .join("\n"),
  );
}

function readLua(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
