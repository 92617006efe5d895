// The dashboard and the alerts name metrics that there are, with labels that they have, and tasks by their owners.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { emitAlerts } from "../../../codegen/emit/alerts.js";
import { emitGrafana } from "../../../codegen/emit/grafana.js";
import type { ProjectModel } from "../../../codegen/model/project.js";
import { FAMILIES, type Family } from "../../../runtime/metrics/index.js";
import { projectModel, taskModel } from "./project-fixture.js";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
}

const owned = (name: string, owner: string) => ({ ...taskModel(name), owner });
const PROJECT = projectModel(owned("b:two", "payments"), taskModel("c:three"), owned("a:one", "payments"));

function rulesOf(project: ProjectModel): readonly Rule[] {
  const file = parse(emitAlerts(project)) as { groups: { rules: Rule[] }[] };
  return file.groups.flatMap(({ rules }) => rules);
}

function expressionsOf(project: ProjectModel): readonly string[] {
  const dashboard = JSON.parse(emitGrafana(project)) as { panels: { targets: { expr: string }[] }[] };
  return [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...rulesOf(project).map(({ expr }) => expr),
  ];
}

const families = new Map<string, Family>(Object.entries(FAMILIES));

/** Names that an expression has of metrics, with the labels that it selects or sums by. */
function problemsOf(expr: string): string[] {
  const names = [...expr.matchAll(/taskweft_\w+/g)].map(([name]) => name);
  const labels = [...expr.matchAll(/by \(([^)]*)\)|[{,](\w+)=/g)].flatMap(([, by, label]) =>
    by === undefined ? [label ?? ""] : by.split(",").map((one) => one.trim()),
  );
  const ofAll = names.map((name) => families.get(name) ?? families.get(name.replace(/_bucket$/, "")));
  const unknown = names.filter((_name, index) => ofAll[index] === undefined);
  const missing = labels.filter(
    (label) => !ofAll.every((family) => label === "le" || family?.labels.includes(label)),
  );
  return [...unknown, ...missing];
}

describe("expressions", () => {
  test("name metrics that there are, and labels that they have", () => {
    const expressions = expressionsOf(PROJECT);
    expect(expressions.length).toBeGreaterThan(15);
    expect(Object.fromEntries(expressions.map((expr) => [expr, problemsOf(expr)]))).toEqual(
      Object.fromEntries(expressions.map((expr) => [expr, []])),
    );
    expect(problemsOf("sum by (owner) (taskweft_job_queed_total)")).toEqual([
      "taskweft_job_queed_total",
      "owner",
    ]);
  });

  test("have as many brackets open as closed", () => {
    for (const expr of expressionsOf(PROJECT))
      for (const [open, close] of ["()", "{}", "[]"])
        expect(expr.split(open!)).toHaveLength(expr.split(close!).length);
  });

  test("of alerts stand in the docs", async () => {
    const page = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
    const bare = rulesOf(projectModel(taskModel("a:one"))).map(({ expr }) =>
      expr.replaceAll(',task=~"a:one"', "").replaceAll('{task=~"a:one"}', ""),
    );
    // The share of failures stands there without what keeps it from dividing by nothing.
    for (const expr of bare.filter((one) => !one.includes("[1h]"))) expect(page).toContain(`\`${expr}\``);
  });
});

test("every metric is in the docs, and no other", async () => {
  const page = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(taskweft_\w+)`/gm)].map(([, name]) => name);
  expect(new Set(rows)).toEqual(new Set(families.keys()));
  expect(rows).toHaveLength(families.size);
});

test("alerts of tasks are made for each owner, and the others for nobody", () => {
  const dying = rulesOf(PROJECT).filter(({ alert }) => alert === "TaskweftJobsDie");
  expect(dying.map(({ labels, expr }) => [labels["owner"], /task=~"([^"]*)"/.exec(expr)?.[1]])).toEqual([
    ["payments", "b:two|a:one"],
    [undefined, "c:three"],
  ]);
});

test("the dashboard has the seven panels and the project's names to choose from", () => {
  const { panels, templating } = JSON.parse(emitGrafana(PROJECT)) as {
    panels: { title: string }[];
    templating: { list: { name: string; query: string }[] };
  };
  expect(panels.map(({ title }) => title).slice(0, 7)).toEqual([
    "Queued",
    "Executed",
    "Failures by error",
    "Duration",
    "Retries",
    "Queue depth",
    "Dead letters",
  ]);
  expect(templating.list.map(({ query }) => query)).toEqual(["prometheus", "b:two,c:three,a:one", "default"]);
});
