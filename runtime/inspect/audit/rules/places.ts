/** Each id is in exactly the one index for its state. */
import { isOver, type JobFacts } from "../facts.js";
import type { AuditFinding, FindingCode } from "../finding.js";

export function placeFindings(facts: JobFacts): readonly AuditFinding[] {
  const { id, record, run } = facts;
  const places = placesOf(facts);
  const found = places.length === 0 ? "nowhere" : places.join(" + ");
  const finding = (code: FindingCode, expected: string, text: string): AuditFinding[] => [
    { code, id, expected, found: text },
  ];
  if (record.kind === "none") {
    if (places.length === 0 && run.text === undefined) return [];
    return finding("TW-F03", "a record", run.text === undefined ? found : `${found}, and a history`);
  }
  if (record.kind === "tombstone") {
    const placed = places.length === 1 && (facts.owner !== undefined || facts.pending.size === 1);
    if (placed && run.text === undefined) return [];
    return finding(
      "TW-F04",
      "pending or active, without a history",
      run.text === undefined ? found : `${found}, with a history`,
    );
  }
  if (record.kind === "unreadable")
    return finding("TW-F05", "a record", `${record.bytes} unreadable bytes, ${found}`);
  if (record.kind === "newer") return [];
  if (run.state === "unreadable")
    return finding("TW-F06", "a history", `${Buffer.byteLength(run.text ?? "")} unreadable bytes, ${found}`);
  const expected = allowedPlaces(facts);
  if (!expected.includes(kindsOf(places))) {
    const code = places.length > 0 && !unkept(facts) ? "TW-F02" : isOver(facts) ? "TW-F07" : "TW-F01";
    return finding(code, `${expected.join(" or ")} (${run.state})`, found);
  }
  const others = [...facts.pending.keys(), ...facts.due.keys()].filter((queue) => queue !== record.queue);
  return others.length === 0 ? [] : finding("TW-F08", `queue ${record.queue}`, found);
}

/** Whether the job has ended and is in neither set from which it would be removed. */
function unkept(facts: JobFacts): boolean {
  return isOver(facts) && facts.done === undefined && facts.dead === undefined;
}

/** Every place of the id; an index that contains it twice is listed twice. */
function placesOf(facts: JobFacts): readonly string[] {
  return [
    ...(facts.owner === undefined ? [] : ["active"]),
    ...(facts.dead === undefined ? [] : ["dead"]),
    ...(facts.done === undefined ? [] : ["done"]),
    ...[...facts.due.keys()].map((queue) => `due:${queue}`),
    ...(facts.atGate ? [`pending:${queueOf(facts)}`] : []),
    ...[...facts.pending].flatMap(([queue, times]) => Array<string>(times).fill(`pending:${queue}`)),
  ];
}

/** The queue in which the job waits according to its entry at the gate. */
function queueOf({ entry = "" }: JobFacts): string {
  return entry.split(" ")[1] ?? "";
}

function kindsOf(places: readonly string[]): string {
  return places.length === 0 ? "nowhere" : places.map((place) => place.replace(/:.*/, "")).join(" + ");
}

function allowedPlaces({ run }: JobFacts): readonly string[] {
  if (run.state === "completed") return ["done"];
  if (run.state === "dead") return ["dead"];
  if (run.state !== "cancelled") return ["active", "due", "pending"];
  return run.hole ? ["active + done", "done + pending"] : ["done"];
}
