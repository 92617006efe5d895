/** Adds what a project needs to a package.json that may already exist. */
import { PACKAGE_SCRIPTS } from "./templates.js";

export type PackageJson = Readonly<Record<string, unknown>>;

export interface Versions {
  /** Version ranges of this package and of the tools that the template uses. */
  readonly taskweft: string;
  readonly typescript: string;
  readonly nodeTypes: string;
}

/** Existing keys keep their values and order; existing scripts and dependencies take precedence. */
export function mergePackageJson(
  existing: PackageJson | undefined,
  name: string,
  versions: Versions,
): PackageJson {
  const base: PackageJson = existing ?? { name, version: "0.0.0", private: true };
  const dependencies = objectOf(base["dependencies"]);
  const devDependencies = objectOf(base["devDependencies"]);
  const has = (dependency: string) =>
    Object.hasOwn(dependencies, dependency) || Object.hasOwn(devDependencies, dependency);
  const missing = (wanted: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(wanted).filter(([dependency]) => !has(dependency)));
  return {
    ...base,
    type: "module",
    scripts: { ...PACKAGE_SCRIPTS, ...withoutPlaceholder(objectOf(base["scripts"])) },
    dependencies: { ...dependencies, ...missing({ taskweft: versions.taskweft }) },
    devDependencies: {
      ...devDependencies,
      ...missing({ "@types/node": versions.nodeTypes, typescript: versions.typescript }),
    },
  };
}

/** `npm init` writes `"type": "commonjs"`, which nobody has chosen while its placeholder stands there too. */
export function isOfNpmInit(manifest: PackageJson | undefined): boolean {
  const { test } = objectOf(manifest?.["scripts"]);
  return manifest?.["type"] === "commonjs" && isPlaceholder(test);
}

/** Drops the test script of `npm init`, which always fails and was not written by the user. */
function withoutPlaceholder(scripts: PackageJson): PackageJson {
  const { test, ...others } = scripts;
  return isPlaceholder(test) ? others : scripts;
}

function isPlaceholder(test: unknown): boolean {
  return typeof test === "string" && test.includes("no test specified");
}

function objectOf(value: unknown): PackageJson {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as PackageJson) : {};
}
