/**
 * Parses `$ref` texts into a file and a place in it. Paths never leave the project, and nothing is ever
 * fetched.
 */
import { posix } from "node:path";

export type ReferenceTarget =
  | { readonly kind: "schemas"; readonly name: string }
  /**
   * `file` is absent for the same document. `definition`: keyword and name; absent for the whole document.
   */
  | {
      readonly kind: "document";
      readonly file?: string;
      readonly definition?: readonly [keyword: string, name: string];
    }
  | { readonly kind: "invalid"; readonly message: string; readonly hint?: string };

/** `fromFile` is relative to the project. */
export function parseReference(text: string, fromFile: string): ReferenceTarget {
  if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/iu.test(text)) {
    return {
      kind: "invalid",
      message: "a $ref cannot leave the project",
      hint: "copy the schema into the project",
    };
  }
  const [path = "", pointer, ...rest] = text.split("#");
  if (rest.length > 0 || text === "")
    return { kind: "invalid", message: "a $ref is ./file.schema.json, #/$defs/Name or #/schemas/Name" };
  const definition = parsePointer(pointer ?? "");
  if (definition === undefined) {
    return {
      kind: "invalid",
      message: `"#${pointer}" is not a place that a $ref can name`,
      hint: "use #/$defs/Name or #/schemas/Name",
    };
  }
  if (path === "") return fromPointer(definition);
  const file = resolveInside(path, fromFile);
  if (typeof file !== "string") return file;
  if (definition[0] === "schemas") {
    return {
      kind: "invalid",
      message: "#/schemas/ names the schemas of the definition files, so no file stands before it",
      hint: `#/schemas/${definition[1]}`,
    };
  }
  return {
    kind: "document",
    file,
    ...(definition.length === 0 ? {} : { definition: [definition[0]!, definition[1]!] }),
  };
}

function fromPointer(definition: readonly string[]): ReferenceTarget {
  const [keyword, name] = definition;
  if (keyword === undefined || name === undefined) return { kind: "document" };
  return keyword === "schemas"
    ? { kind: "schemas", name }
    : { kind: "document", definition: [keyword, name] };
}

/** `[]` for the document, `[keyword, name]`, or `undefined` if the pointer is not supported. */
function parsePointer(pointer: string): readonly string[] | undefined {
  if (pointer === "" || pointer === "/") return [];
  const match = /^\/(\$defs|definitions|schemas)\/([^/]+)$/u.exec(pointer);
  if (match === null) return undefined;
  const name = (match[2] ?? "").replaceAll("~1", "/").replaceAll("~0", "~");
  return [match[1] ?? "", name];
}

function resolveInside(path: string, fromFile: string): string | ReferenceTarget {
  if (/[\\\0%]/u.test(path) || posix.isAbsolute(path)) {
    return {
      kind: "invalid",
      message: "a $ref is a relative path with /",
      hint: "such as ./schemas/order.schema.json",
    };
  }
  const file = posix.join(posix.dirname(fromFile), path);
  if (file === ".." || file.startsWith("../")) {
    return {
      kind: "invalid",
      message: "a $ref cannot leave the project",
      hint: "copy the schema into the project",
    };
  }
  if (!/\.(?:json|ya?ml)$/u.test(file)) {
    return { kind: "invalid", message: "a $ref names a .json, .yaml or .yml file" };
  }
  return file;
}
