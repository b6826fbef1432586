/*
 * What a server knows of the submissions of its tasks, in bounded memory: whoever may submit could make up one large
 * template after the other. As pure as reactor.ts, which calls it. The store has them all: its answers bring what is
 * needed (see NewSubmissions), however often.
 */
import type { NewSubmissions, SubmissionFacts } from "./event.ts";
import type { ServerState } from "./state.ts";

/** The largest number of characters in what is known; beyond it, half of it is forgotten if it is not in use. */
const mostText = 32 * 1024 * 1024;
/** What a submission takes beside its texts, roughly, as a number of characters. */
const ownText = 256;

/** Takes in what the store has told. */
export function learnSubmissions(state: ServerState, found: NewSubmissions): void {
  for (const { id, template, cwd } of found) {
    if (state.submissions.has(id)) continue;
    const facts = { template, cwd };
    state.submissions.set(id, facts);
    state.submissionText += textOf(facts);
  }
}

function textOf({ template, cwd }: SubmissionFacts): number {
  return ownText + (template?.length ?? 0) + (cwd?.length ?? 0);
}

/** Forgets submissions of which no task is here, the oldest first, if there are too many. */
export function forgetSubmissions(state: ServerState): void {
  if (state.submissionText <= mostText) return;
  const { submissions, places, clients } = state;
  const inUse = submissionsInUse(state);
  for (const [id, facts] of submissions) {
    if (state.submissionText <= mostText / 2) return;
    // Claims leave out the submissions of directories that are set aside.
    if (inUse.has(id) || (facts.cwd !== null && places.aside.has(facts.cwd))) continue;
    submissions.delete(id);
    state.submissionText -= textOf(facts);
    for (const client of clients.values()) client.known.delete(id);
  }
}

function submissionsInUse({ settings, ready, clients, settling, outbox }: ServerState): ReadonlySet<string> {
  const { scope } = settings;
  const found = new Set<string>(scope.kind === "submission" ? [scope.id] : []);
  for (const { submitId } of ready.values()) found.add(submitId);
  for (const { held } of clients.values()) for (const { task } of held.values()) found.add(task.submitId);
  for (const { task } of [...(settling?.outcomes ?? []), ...outbox.completed])
    if (task !== null) found.add(task.submitId);
  return found;
}
