/**
 * All schemas of a project: those in `schemas:`, those reached by `$ref`, and the payloads and results that
 * use them. Every named schema is compiled once and may be recursive.
 */
import { posix } from "node:path";
import type { JsonSchema, JsonSchemaNode } from "../../model/json-schema.js";
import { compareText } from "../../model/diagnostic.js";
import { quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import type { Reporter } from "../reporter.js";
import {
  describeNode,
  entriesOf,
  findEntry,
  type Origin,
  type SourceEntry,
  type SourceNode,
  type SourceScalar,
} from "../source.js";
import { type Compiler, type Scope, UNKNOWN_SCHEMA } from "./compiler.js";
import { contradictionText, findContradiction } from "./contradictions.js";
import { compileField, compileFields, isSchemaRoot } from "./fields.js";
import { mentionedNames, resolve, unguarded, unsatisfiable, withDiscriminators } from "./recursion.js";
import { parseReference, type ReferenceTarget } from "./references.js";
import { compileSchema } from "./schema.js";

export interface LibraryOptions {
  readonly reporter: Reporter;
  /** Entries of all `schemas:` sections, by name. */
  readonly schemas: ReadonlyMap<string, SourceEntry>;
  /** The tree of a schema file, or `undefined` after reporting at `at` why there is none. */
  readonly readDocument: (file: string, at: Origin) => SourceNode | undefined;
  readonly isIncomplete: boolean;
}

export interface SchemaLibrary {
  /** Compiles a payload or result. `prefix` is added to the names of its own `$defs`. */
  compileRoot(node: SourceNode, prefix: string): JsonSchemaNode;
  /** Compiles unused schemas too, and reports infinite recursion. Call it after the last compileRoot. */
  finish(): void;
  /** The root with all definitions that it reaches. */
  extract(root: JsonSchemaNode): JsonSchema;
  /** The schema behind a reference. */
  resolve(node: JsonSchemaNode): JsonSchemaNode | undefined;
}

/**
 * Longest chain of references. Compiler, checks and emitters recurse along it, so a longer one would overflow
 * the stack.
 */
const MAX_CHAIN = 300;

interface Named {
  readonly name: string;
  readonly at: Origin;
}

export function createSchemaLibrary(options: LibraryOptions): SchemaLibrary {
  const library = new Library(options);
  return {
    compileRoot: (node, prefix) => library.compileRoot(node, prefix),
    finish: () => library.finish(),
    extract: (root) => library.extract(root),
    resolve: (node) => resolve(node, library.definitions),
  };
}

class Library implements Compiler {
  readonly definitions = new Map<string, JsonSchemaNode>();
  readonly isIncomplete: boolean;
  readonly reporter: Reporter;
  readonly schemaNames: readonly string[];
  readonly #options: LibraryOptions;
  /** By key: `schemas:Money`, `schemas/x.json#/$defs/Y`. */
  readonly #named = new Map<string, Named>();
  readonly #taken: Set<string>;
  /** Number of schemas being compiled, each named by the one before. */
  #chain = 0;
  /** Schemas compiled since the outermost of them was begun; any cycle is among them. */
  #fresh: Named[] = [];
  /** Length of the reference chain that starts at a name, including itself. */
  readonly #lengths = new Map<string, number>();

  readonly #combined: { readonly branches: readonly JsonSchemaNode[]; readonly at: Origin }[] = [];

  constructor(options: LibraryOptions) {
    this.#options = options;
    this.isIncomplete = options.isIncomplete;
    this.reporter = options.reporter;
    this.schemaNames = [...options.schemas.keys()].sort();
    this.#taken = new Set(this.schemaNames);
  }

  compileRoot(node: SourceNode, prefix: string): JsonSchemaNode {
    const { file } = node.origin.source;
    const scope: Scope = {
      document: node,
      file,
      key: `${file}@${node.origin.start}`,
      prefix,
      inDefinitionFile: true,
    };
    if (node.kind === "map") {
      return this.#unfolded(
        isSchemaRoot(node) ? compileSchema(this, node, scope) : compileFields(this, node, scope),
      );
    }
    const { schema, optional } = compileField(this, node, scope);
    if (optional) {
      const message = `${describeNode(node, quote)} cannot be optional here: only fields can`;
      this.reporter.report({ code: "TW120", at: node.origin, message, hint: "delete the ?" });
    }
    return this.#unfolded(schema);
  }

  /**
   * A root is never a bare reference. Keywords next to the reference are kept: `x-sensitive` there hides the
   * whole payload.
   */
  #unfolded(schema: JsonSchemaNode): JsonSchemaNode {
    const target = resolve(schema, this.definitions);
    if (schema.kind !== "ref" || target === undefined || target === UNKNOWN_SCHEMA) return target ?? schema;
    const { kind: _kind, name: _name, ...documentation } = schema;
    return { ...target, ...documentation };
  }

  field(node: SourceNode, scope: Scope) {
    return compileField(this, node, scope);
  }

  schema(node: SourceNode, scope: Scope): JsonSchemaNode {
    return compileSchema(this, node, scope);
  }

  named(name: string): JsonSchemaNode | undefined {
    const entry = this.#options.schemas.get(name);
    if (entry === undefined) return undefined;
    const { file } = entry.keyOrigin.source;
    const scope: Scope = {
      document: entry.value,
      file,
      key: `schemas:${name}`,
      prefix: name,
      inDefinitionFile: true,
    };
    return this.#define(scope.key, name, entry.keyOrigin, () => {
      const { schema, optional } = compileField(this, entry.value, scope);
      if (optional) {
        const message = `the schema ${name} cannot be optional: only fields can`;
        this.reporter.report({
          code: "TW120",
          at: entry.value.origin,
          message,
          hint: "put the ? where the name is used",
        });
      }
      return schema;
    });
  }

  reference(node: SourceScalar, text: string, scope: Scope): JsonSchemaNode {
    const target = parseReference(text, scope.file);
    const fail = (message: string, hint?: string): JsonSchemaNode => {
      this.reporter.report({ code: "TW123", at: node.origin, message, hint });
      return UNKNOWN_SCHEMA;
    };
    if (target.kind === "invalid") return fail(target.message, target.hint);
    if (target.kind === "document") return this.#documentReference(node, target, scope, fail);
    if (!scope.inDefinitionFile)
      return fail("#/schemas/ works in definition files only", "use #/$defs/Name in a schema file");
    const found = this.named(target.name);
    if (found !== undefined) return found;
    if (this.isIncomplete) return UNKNOWN_SCHEMA;
    return fail(`no schema ${quote(target.name)} in schemas`, didYouMean(target.name, this.schemaNames));
  }

  #documentReference(
    node: SourceScalar,
    target: ReferenceTarget & { kind: "document" },
    from: Scope,
    fail: (message: string, hint?: string) => JsonSchemaNode,
  ): JsonSchemaNode {
    const scope = target.file === undefined ? from : this.#fileScope(target.file, node.origin);
    if (scope === undefined) return UNKNOWN_SCHEMA;
    if (target.definition === undefined) {
      return this.#define(scope.key, scope.prefix, scope.document.origin, () =>
        compileSchema(this, scope.document, scope),
      );
    }
    const [keyword, name] = target.definition;
    const section = findEntry(scope.document, keyword);
    const entry = findEntry(section?.value, name);
    if (entry === undefined) {
      const names = entriesOf(section?.value).map(({ key }) => key);
      return fail(
        `no ${quote(name)} in ${keyword}${target.file === undefined ? "" : ` of ${target.file}`}`,
        didYouMean(name, names),
      );
    }
    const preferred = scope.prefix + capitalised(name);
    return this.#define(`${scope.key}#/${keyword}/${name}`, preferred, entry.keyOrigin, () =>
      compileSchema(this, entry.value, scope),
    );
  }

  #fileScope(file: string, at: Origin): Scope | undefined {
    const document = this.#options.readDocument(file, at);
    if (document === undefined) return undefined;
    const base = posix.basename(file).replace(/(?:\.schema)?\.(?:json|ya?ml)$/u, "");
    return { document, file, key: file, prefix: capitalised(base) || "Schema", inDefinitionFile: false };
  }

  /** Registers the name before compiling, so that the schema may refer to itself. */
  #define(key: string, preferred: string, at: Origin, compile: () => JsonSchemaNode): JsonSchemaNode {
    const known = this.#named.get(key);
    if (known !== undefined) return { kind: "ref", name: known.name };
    const name = key.startsWith("schemas:") ? preferred : this.#freeName(preferred);
    const named = { name, at };
    this.#named.set(key, named);
    if (this.#chain >= MAX_CHAIN) return this.#tooLong(named);
    this.#chain++;
    const schema = compile();
    this.#chain--;
    const length =
      1 + mentionedNames(schema).reduce((most, one) => Math.max(most, this.#lengths.get(one) ?? 0), 0);
    if (length > MAX_CHAIN) return this.#tooLong(named);
    this.#lengths.set(name, length);
    this.definitions.set(name, schema);
    this.#fresh.push(named);
    if (this.#chain === 0) this.#breakCircles();
    return { kind: "ref", name };
  }

  #tooLong({ name, at }: Named): JsonSchemaNode {
    const message = `expected at most ${MAX_CHAIN} schemas of which each is reached through the one before`;
    this.reporter.report({ code: "TW105", at, message });
    this.definitions.set(name, UNKNOWN_SCHEMA);
    return { kind: "ref", name };
  }

  /**
   * Breaks cycles at once, because checks of expressions walk the branches of a union and would not return.
   */
  #breakCircles(): void {
    const fresh = this.#fresh.splice(0);
    const endless = new Set(unguarded(new Set(fresh.map(({ name }) => name)), this.definitions));
    for (const { name, at } of fresh.filter((one) => endless.has(one.name))) {
      const message = `the schema ${name} refers to itself and to nothing else`;
      this.reporter.report({ code: "TW120", at, message, hint: "put a field or a list between" });
      this.definitions.set(name, UNKNOWN_SCHEMA);
    }
  }

  #freeName(preferred: string): string {
    const base = /^[A-Za-z]/u.test(preferred) ? preferred : `Schema${preferred}`;
    let name = base;
    for (let number = 2; this.#taken.has(name); number++) name = `${base}${number}`;
    this.#taken.add(name);
    return name;
  }

  combined(branches: readonly JsonSchemaNode[], at: Origin): void {
    this.#combined.push({ branches, at });
  }

  finish(): void {
    for (const name of this.schemaNames) this.named(name);
    const resolved = (node: JsonSchemaNode): JsonSchemaNode | undefined => resolve(node, this.definitions);
    for (const { branches, at } of this.#combined) {
      const found = findContradiction(branches, resolved);
      if (found === undefined) continue;
      this.reporter.report({ code: "TW120", at, message: contradictionText(found, resolved) });
    }
    const impossible = new Set(unsatisfiable(this.definitions));
    for (const { name, at } of this.#named.values()) {
      if (!impossible.has(name)) continue;
      const message = `no value can fit the schema ${name}: it requires another ${name} without end`;
      const hint = "make the field that repeats it optional, or a list";
      this.reporter.report({ code: "TW120", at, message, hint });
    }
    for (const [name, schema] of this.definitions)
      this.definitions.set(name, withDiscriminators(schema, this.definitions));
  }

  extract(root: JsonSchemaNode): JsonSchema {
    const reached = new Set<string>();
    const queue = mentionedNames(root);
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const schema = this.definitions.get(name);
      if (reached.has(name) || schema === undefined) continue;
      reached.add(name);
      queue.push(...mentionedNames(schema));
    }
    const definitions = [...reached]
      .sort(compareText)
      .map((name) => ({ name, schema: this.definitions.get(name) ?? UNKNOWN_SCHEMA }));
    return { root: withDiscriminators(root, this.definitions), definitions };
  }
}

function capitalised(text: string): string {
  return text
    .split(/[^A-Za-z0-9]+/u)
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("");
}
