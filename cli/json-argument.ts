/** Reads JSON from an argument, a file or standard input. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CliError, codeOf, messageOf } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import type { Io } from "./io.js";

/**
 * `-` reads standard input, `@file` reads a file. `what` names the value in error messages: `payload` or
 * `result`.
 */
export async function readJsonArgument(
  argument: string,
  what: "payload" | "result",
  io: Io,
): Promise<unknown> {
  return parse(await readText(argument, what, io), what);
}

async function readText(argument: string, what: string, io: Io): Promise<string> {
  if (argument === "-") {
    const chunks: string[] = [];
    const decoder = new TextDecoder();
    for await (const chunk of io.stdin) {
      chunks.push(typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true }));
    }
    return chunks.join("") + decoder.decode();
  }
  if (!argument.startsWith("@")) return argument;
  const file = argument.slice(1);
  try {
    return await readFile(resolve(io.cwd, file), "utf8");
  } catch (error) {
    const [code, message] =
      codeOf(error) === "ENOENT"
        ? ["Missing", `expected a file at ${file}, found none`]
        : ["Unreadable", `cannot read ${file}: ${messageOf(error)}`];
    throw new CliError(`${capital(what)}${code}`, message, { exitCode: EXIT.usage, cause: error });
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(`${capital(what)}NotJson`, `the ${what} is not JSON: ${reasonOf(error)}`, {
      exitCode: EXIT.usage,
      fix: `quote it for the shell, e.g. '{"orderId":"A-1"}', or pass it as @file or on standard input with -`,
      cause: error,
    });
  }
}

/** Node's message often ends with a part of the text, which may be what nobody should see. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return (
    /^Unexpected token '.{1,2}'/su.exec(message)?.[0] ??
    (message.includes('"') ? "it cannot be read" : message)
  );
}

function capital(word: string): string {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}
