/**
 * The settings of a deployment. For each field the first source that sets it wins: an option of the call or a
 * flag, the environment, weft.config.yaml, the profile, the default.
 */
import { TaskweftError } from "../errors.js";
import { expectedText, readConfigFile, type FileValues } from "./file.js";
import {
  CONFIG_FIELDS,
  CONFIG_PATHS,
  type ConfigField,
  type ConfigPath,
  type ConfigValue,
} from "./fields.js";
import { PROFILES, type ProfileName } from "./profiles.js";

export { CONFIG_FILE, parseConfig } from "./file.js";
export {
  CONFIG_FIELDS,
  CONFIG_PATHS,
  renderConfigSchema,
  type ConfigField,
  type ConfigPath,
} from "./fields.js";
export { LOG_LEVELS, type LogLevel } from "./log-levels.js";
export { PROFILES, PROFILE_NAMES } from "./profiles.js";
export { parseRedisAddress, REDIS_URL_EXPECTED, type RedisAddress } from "./redis-address.js";

export interface Setting {
  readonly value: unknown;
  /**
   * The source for display: `flag`, `env TASKWEFT_PREFIX`, `weft.config.yaml:3`, `profile latency`,
   * `default`.
   */
  readonly source: string;
}

export class Config {
  readonly #settings: ReadonlyMap<ConfigPath, Setting>;

  constructor(settings: ReadonlyMap<ConfigPath, Setting>) {
    this.#settings = settings;
  }

  /** The effective value with its source. */
  setting(path: ConfigPath): Setting {
    return this.#settings.get(path) ?? { value: CONFIG_FIELDS[path].fallback, source: "default" };
  }

  /** The value that some source sets; `undefined` when only the default applies. */
  said<Path extends ConfigPath>(path: Path): ConfigValue<Path> | undefined {
    return this.#settings.get(path)?.value as ConfigValue<Path> | undefined;
  }
}

export interface LoadConfigOptions {
  /** Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** The folder in which weft.config.yaml is looked up. Default: the working directory. */
  readonly folder?: string;
  /** Values that take precedence over every other source. */
  readonly flags?: Readonly<Partial<Record<ConfigPath, unknown>>>;
}

/** @throws TaskweftError `OptionInvalid` with every problem of the file, or the first of the environment. */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<Config> {
  const { env = process.env, folder = process.cwd(), flags = {} } = options;
  const file = await readConfigFile(folder, env["TASKWEFT_CONFIG"] || undefined);
  return resolveConfig(env, file, flags);
}

/** The configuration from the environment alone, without a file. */
export function configFromEnv(env: NodeJS.ProcessEnv): Config {
  return resolveConfig(env, undefined, {});
}

function resolveConfig(
  env: NodeJS.ProcessEnv,
  file: FileValues | undefined,
  flags: NonNullable<LoadConfigOptions["flags"]>,
): Config {
  const said = new Map<ConfigPath, Setting>();
  for (const path of CONFIG_PATHS) {
    const setting = flagOf(flags, path) ?? envOf(env, path) ?? fileOf(file, path);
    if (setting !== undefined) said.set(path, setting);
  }
  const profile = said.get("profile")?.value as ProfileName | undefined;
  for (const [path, value] of Object.entries(profile === undefined ? {} : PROFILES[profile])) {
    const known = path as ConfigPath;
    if (!said.has(known)) said.set(known, { value, source: `profile ${profile}` });
  }
  return new Config(said);
}

function flagOf(flags: NonNullable<LoadConfigOptions["flags"]>, path: ConfigPath): Setting | undefined {
  const value = flags[path];
  return value === undefined ? undefined : { value, source: "flag" };
}

function envOf(env: NodeJS.ProcessEnv, path: ConfigPath): Setting | undefined {
  const { env: name, parse, schema } = CONFIG_FIELDS[path] as ConfigField;
  const text = env[name];
  // An empty variable counts as unset: compose files and shells leave such variables behind.
  if (text === undefined || text === "") return undefined;
  const result = schema.safeParse(parse(text));
  if (result.success) return { value: result.data, source: `env ${name}` };
  throw new TaskweftError("OptionInvalid", `${name}: ${expectedText(path, text)}`, {
    operation: "configure",
  });
}

function fileOf(file: FileValues | undefined, path: ConfigPath): Setting | undefined {
  const found = file?.values.get(path);
  return found === undefined ? undefined : { value: found.value, source: `${file!.name}:${found.line}` };
}
