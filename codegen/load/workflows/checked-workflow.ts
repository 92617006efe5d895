/** A workflow whose graph and mappings have been checked. */
import type { Expression, ValueTemplate } from "../../model/expression.js";
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { TemplatePart } from "../../model/project.js";
import type { CheckedEvent } from "../check-observers.js";
import type { CheckedTask } from "../check-tasks.js";
import type { Declarations } from "../declarations.js";
import type { SchemaLibrary } from "../payload/library.js";
import type { Reporter } from "../reporter.js";
import type { Origin } from "../source.js";
import type { Place, StepScopes } from "./step-scope.js";

export interface CheckedWorkflow {
  readonly at: Origin;
  readonly input: JsonSchemaNode;
  readonly idempotencyKey?: readonly TemplatePart[];
  /** In topological order: each step after those it needs. */
  readonly steps: readonly CheckedStep[];
  readonly output?: {
    readonly template: ValueTemplate;
    readonly schema: JsonSchemaNode;
    readonly place: Place;
  };
  readonly scopes: StepScopes;
}

export interface CheckedStep {
  readonly name: string;
  readonly needs: readonly string[];
  readonly join: number;
  readonly if?: { readonly expression: Expression; readonly place: Place };
  readonly forEach?: {
    readonly expression: Expression;
    readonly item: JsonSchemaNode;
    readonly place: Place;
  };
  readonly payload?: CheckedJob;
  readonly wait?: CheckedWait;
  readonly compensate?: CheckedJob;
}

export interface CheckedJob {
  readonly template: ValueTemplate;
  readonly place: Place;
}

export interface CheckedWait {
  readonly event: string;
  readonly condition: Expression;
  /** A field of the event, and the value that it must have, which the run knows from its start. */
  readonly field: readonly string[];
  readonly equals: Expression;
  readonly place: Place;
}

export interface WorkflowCheck {
  readonly declarations: Declarations;
  readonly events: ReadonlyMap<string, CheckedEvent>;
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  /** The result of `compileInputs`. */
  readonly inputs: ReadonlyMap<string, JsonSchemaNode>;
  /** Outputs of the workflows checked so far; `undefined` for a workflow without output. */
  readonly outputs: ReadonlyMap<string, JsonSchemaNode | undefined>;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}
