/** What the savings circles ask of the background. */
import { enqueueSavingsContributionReminder } from "../generated/index.js";

export interface Round {
  readonly circleId: string;
  readonly round: number;
}

/** A round is announced a day before its contributions are due; each member hears of it on the day. */
export async function announceRound(
  { circleId, round }: Round,
  memberIds: readonly string[],
): Promise<readonly string[]> {
  const reminders = memberIds.map((memberId) => ({ circleId, round, memberId }));
  const jobs = await enqueueSavingsContributionReminder.many(reminders, { delay: "24h" });
  return jobs.map((job) => job.id);
}
