import { compareText } from "../model/diagnostic.js";
import { list, render } from "./layout.js";

/** Imports from the entry for generated code: names, some with `type` before them, each once. */
export function doorImport(names: readonly string[]): string {
  const sorted = [...new Set(names)].toSorted((a, b) => compareText(bare(a), bare(b)));
  return render(["import ", list("{", sorted, "}"), ` from "taskweft/generated-v1";\n`]);
}

function bare(name: string): string {
  return name.replace("type ", "");
}
