import { defineHandler, enqueueNotificationPush } from "../../../generated/index.js";

/** Remind a member of a contribution; enqueued a day ahead. */
export default defineHandler("savings:contribution_reminder", async (job, ctx) => {
  const { memberId, round } = job.payload;
  // The id is made from this job's: an attempt that runs again finds the message that is there.
  await enqueueNotificationPush(
    { memberId, text: `Your contribution to round ${round} is due today.` },
    { id: `${ctx.idempotencyKey}:push` },
  );
});
