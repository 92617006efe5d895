/** `weft config`: prints every effective setting and where it comes from. */
import type { Command } from "commander";
import { CONFIG_FIELDS, CONFIG_PATHS } from "../../runtime/config/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { maskUrls } from "../output/mask.js";
import { printable } from "../output/sanitize.js";
import { type Column, formatTable } from "../output/table.js";
import type { Session } from "../session.js";

interface Row {
  readonly name: string;
  readonly value: unknown;
  readonly source: string;
  readonly env: string;
}

export function configure(command: Command, session: Session): void {
  command
    .addHelpText("after", "\nPrecedence: flag, environment, weft.config.yaml, profile, default.")
    .action(session.action(() => config(session)));
}

async function config(session: Session): Promise<ExitCode> {
  const settings = await session.config();
  const rows = CONFIG_PATHS.map((name): Row => {
    const { value, source } = settings.setting(name);
    const shown = name === "redis.url" ? maskUrls(String(value)) : value;
    return { name, value: shown ?? null, source, env: CONFIG_FIELDS[name].env };
  });
  session.result({ settings: rows }, () =>
    formatTable(COLUMNS, rows, session.io.stdout, session.colors("stdout")),
  );
  return EXIT.ok;
}

const COLUMNS: readonly Column<Row>[] = [
  { header: "SETTING", value: ({ name }: Row) => name },
  { header: "VALUE", value: ({ name, value }: Row) => valueText(name, value), shrinks: true },
  { header: "FROM", value: ({ source }: Row) => source },
  { header: "VARIABLE", value: ({ env }: Row) => env },
];

function valueText(name: string, value: unknown): string {
  if (value === null) return name === "profile" ? "none" : "by the definitions";
  if (Array.isArray(value)) return printable(value.join(", "));
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}
