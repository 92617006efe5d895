// Reads the text format of Prometheus as strictly as its description allows: what a scraper may refuse, this refuses.

export interface Exposition {
  /** The value of a series; fails when there is none. Labels in any order. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  has(name: string, labels?: Readonly<Record<string, string>>): boolean;
  /** Families in their order, with their types. */
  readonly types: ReadonlyMap<string, string>;
  /** Label values of all series of a name. */
  labels(name: string): readonly Readonly<Record<string, string>>[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES = new Set(["counter", "gauge", "histogram"]);
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)|\+Inf|NaN)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parseExposition(text: string): Exposition {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  const types = new Map<string, string>();
  const samples = new Map<string, Sample>();
  let helped: string | undefined;
  let family: string | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      if (!NAME.test(name) || types.has(name)) throw new Error(`a name twice or out of order: ${line}`);
      helped = name;
    } else if (kind === "TYPE") {
      if (name !== helped || !TYPES.has(rest)) throw new Error(`not the type of ${helped}: ${line}`);
      types.set(name, rest);
      family = name;
    } else {
      const sample = parseSample(line);
      if (family === undefined || !belongs(sample.name, family, types.get(family)))
        throw new Error(`outside of its family: ${line}`);
      const key = keyOf(sample.name, sample.labels);
      if (samples.has(key)) throw new Error(`twice: ${line}`);
      samples.set(key, sample);
    }
  }
  const all = [...samples.values()];
  for (const [name, type] of types) if (type === "histogram") assertBuckets(name, all);
  return {
    types,
    has: (name, labels = {}) => samples.has(keyOf(name, labels)),
    value: (name, labels = {}) => {
      const sample = samples.get(keyOf(name, labels));
      if (sample === undefined) throw new Error(`no ${keyOf(name, labels)} in\n${text}`);
      return sample.value;
    },
    labels: (name) => all.filter((sample) => sample.name === name).map(({ labels }) => labels),
  };
}

function parseSample(line: string): Sample {
  const [, name, text = "", value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, label, raw] = LABEL.exec(text) ?? [];
    if (label === undefined || raw === undefined || label in labels) throw new Error(`bad labels: ${line}`);
    labels[label] = raw.replaceAll(/\\([\\"n])/g, (_all, one: string) => (one === "n" ? "\n" : one));
  }
  return { name, labels, value: value === "+Inf" ? Infinity : Number(value) };
}

function belongs(name: string, family: string, type: string | undefined): boolean {
  if (type !== "histogram") return name === family;
  return ["_bucket", "_sum", "_count"].some((end) => name === `${family}${end}`);
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${name} ${JSON.stringify(sorted)}`;
}

/** Buckets grow with their bounds, and the last holds everything. */
function assertBuckets(name: string, samples: readonly Sample[]): void {
  const last = new Map<string, Sample>();
  for (const sample of samples.filter((one) => one.name === `${name}_bucket`)) {
    const { le, ...labels } = sample.labels;
    const key = keyOf(name, labels);
    const before = last.get(key);
    if (
      before !== undefined &&
      (bound(before) >= Number(le?.replace("+Inf", "Infinity")) || before.value > sample.value)
    )
      throw new Error(`buckets of ${key} out of order`);
    last.set(key, sample);
  }
  for (const { name: own, labels, value } of samples) {
    if (own !== `${name}_count`) continue;
    const top = last.get(keyOf(name, labels));
    if (top?.labels["le"] !== "+Inf" || top.value !== value)
      throw new Error(`${name}: the last bucket is not all`);
  }
}

function bound({ labels }: Sample): number {
  return Number(labels["le"]?.replace("+Inf", "Infinity"));
}
