/*
 * Faults of a database in words: what is wrong, with which task, and what to do. Knows nothing of how they are found.
 */
import { counted } from "../base/units.ts";
import type { Fault, FaultKind } from "../history/faults.ts";

interface Words {
  /** What is wrong, as it goes on after the name of the task or place. */
  readonly what: (fault: Fault) => string;
  /** What a person can do, where the program cannot. */
  readonly remedy: (fault: Fault) => string;
  /** What --repair does. */
  readonly mended?: (fault: Fault) => string;
}

const such = ({ other }: Fault): string => (other === null ? "" : ` (such as ${other})`);
const update = (words: string, { id }: Fault): string => `hs update ${words} -w id==${String(id)}`;
const runAgain = (fault: Fault): string => `'${update("--revert", fault)}' runs it again`;
const byHand = (): string => "look at both tasks with hs info, and unlink one with hs update previous_id=null";
const restore = (): string => "restore a backup, or save what can be read with the command '.recover' of sqlite3";

const words: Readonly<Record<FaultKind, Words>> = {
  badNumber: {
    what: () => "its group is below 0, or its attempt below 1",
    remedy: (fault) => `'${update("group=0 attempt=1", fault)}'`,
  },
  badTime: {
    what: () => "one of its times is not written as a time",
    remedy: runAgain,
  },
  badTags: {
    what: () => "its tags cannot be read",
    remedy: () => "another program wrote them; delete the task, or correct its column tag",
  },
  noStatus: { what: () => "it has ended without an exit status", remedy: runAgain },
  noTime: { what: () => "it has an exit status and has not ended", remedy: runAgain },
  neverScheduled: { what: () => "it has ended and was never scheduled", remedy: runAgain },
  neverStarted: { what: () => "it has a result and never started", remedy: runAgain },
  earlyResult: {
    what: () => "a server holds it, and it has parts of a result",
    remedy: runAgain,
    mended: () => "removed the parts of a result: the server writes its own",
  },
  strayHolder: {
    what: () => "it waits, and names a server, a client or parts of a result",
    remedy: runAgain,
    mended: () => "removed what a task that waits has not",
  },
  retriedOpen: {
    what: () => "it counts as tried again and has not ended",
    remedy: (fault) => `'${update("retried=false next_id=null", fault)}'`,
    mended: () => "it does not count as tried again any more",
  },
  retriedEnd: {
    what: () => "it did not fail and counts as tried again",
    remedy: (fault) => `'${update("retried=false next_id=null", fault)}', or run it again with --revert`,
  },
  earlyAttempt: {
    what: () => "it is a first attempt and names one before it",
    remedy: (fault) => `'${update("attempt=2", fault)}', or previous_id=null`,
  },
  openArchived: {
    what: () => "it has not ended and is in a partition, where nobody runs it",
    remedy: () => "submit it again (hs info shows its command)",
  },
  nextGone: {
    what: ({ other }) => `its next attempt ${String(other)} is not there`,
    remedy: () => "restore the partition that is missing, and verify again",
    mended: () => "it is a final failure again",
  },
  nextElsewhere: {
    what: ({ other }) => `its next attempt ${String(other)} names another attempt before it`,
    remedy: byHand,
  },
  nextUnaware: {
    what: ({ other }) => `it does not name the attempt before it, ${String(other)}, which names this one`,
    remedy: byHand,
    mended: ({ other }) => `it names the attempt before it, ${String(other)}`,
  },
  previousGone: {
    what: ({ other }) => `the attempt before it, ${String(other)}, is not there`,
    remedy: () => "restore the partition that is missing, and verify again",
    mended: () => "it begins a chain of its own",
  },
  previousElsewhere: {
    what: ({ other }) => `the attempt before it, ${String(other)}, does not name it as the next`,
    remedy: byHand,
    mended: () => "it begins a chain of its own",
  },
  previousUnaware: {
    what: ({ other }) => `it does not name its next attempt ${String(other)}, which names this one`,
    remedy: byHand,
    mended: ({ other }) => `it names its next attempt ${String(other)}`,
  },
  notRetried: {
    what: ({ other }) => `it has a next attempt ${String(other)} and does not count as tried again`,
    remedy: byHand,
    mended: () => "it counts as tried again",
  },
  attemptOrder: {
    what: ({ other }) => `its next attempt ${String(other)} has not the number that follows`,
    remedy: () => "correct the field attempt of one of them with hs update",
  },
  twice: {
    what: ({ other }) => `it is in ${String(other)} as well, with the same result`,
    remedy: () => "one of the two partitions is a copy: move it away",
    mended: ({ other }) => `only ${String(other)} has it now`,
  },
  twiceOtherwise: {
    what: ({ other }) => `it is in ${String(other)} as well, with something else recorded`,
    remedy: ({ other, place }) => `look at both, and move ${place} or ${String(other)} away if it is an older copy`,
  },
  deadServer: {
    what: (fault) => `${counted(fault.count, "task")}${such(fault)} held or reserved by it, and it is gone`,
    remedy: () => "start a server or hsx with --restart",
    mended: ({ count }) => `gave back ${counted(count, "task")}`,
  },
  deadServerOfClients: {
    what: (fault) => `${counted(fault.count, "task")}${such(fault)} held or reserved by it, and it is gone`,
    remedy: () => "its clients may still run them: start a server with --restart, to which they come back",
  },
  lostServer: {
    what: (fault) => `${counted(fault.count, "task")}${such(fault)} held by it, and nothing else is known of it`,
    remedy: () => "start a server or hsx with --restart",
    mended: ({ count }) => `gave back ${counted(count, "task")}`,
  },
  noSubmission: {
    what: ({ count }) =>
      `its submission is not recorded, and with it its template and directory (${counted(count, "task")} like this)`,
    remedy: () => "delete it with hs update, and submit it again",
  },
  strayRecall: {
    what: ({ count }) => `${counted(count, "note")} about it to a server that has ended`,
    remedy: () => "hs verify --repair",
    mended: ({ count }) => `removed ${counted(count, "note")} that nobody waits for`,
  },
  badRecall: {
    what: ({ count }) => `${counted(count, "note")} about it to a server, of a kind that is not known`,
    remedy: () => "a newer version of hs may have written it: stop the servers, and start them with --restart",
  },
  counts: {
    what: () => "the counts that triggers keep are wrong",
    remedy: () => "hs initdb",
    mended: () => "counted all tasks anew",
  },
  clock: {
    what: ({ other }) => `the row of table clock makes no sense (${String(other)}), so times may be shown wrongly`,
    remedy: restore,
  },
  rotation: {
    what: ({ other }) => `tasks were moved to partition ${String(other)}, which is not here`,
    remedy: () => "put that file back beside the database",
  },
  damaged: { what: ({ other }) => `it is damaged: ${String(other)}`, remedy: restore },
  indices: {
    what: ({ other }) => `an index does not fit its table: ${String(other)}`,
    remedy: restore,
    mended: () => "made the indices anew",
  },
  partition: {
    what: ({ other }) => `it cannot be read: ${String(other)}`,
    remedy: () => "make it readable, and verify again",
  },
  fileGone: {
    what: ({ other }) => `its file ${String(other)} is gone`,
    remedy: () => "restore it, or clear its field (hs update outpath=null); hs clean removes such files, too",
  },
};

/** Faults whose id is that of a server. */
const ofServers: ReadonlySet<FaultKind> = new Set(["deadServer", "deadServerOfClients", "lostServer"]);

function subjectOf({ kind, id, place }: Fault): string {
  if (id === null) return place;
  if (id === "") return `${place}: no server`;
  return `${place}: ${ofServers.has(kind) ? "server" : "task"} ${id}`;
}

/** A fault in a line: where, which task, what is wrong, what to do. */
export function faultLine(fault: Fault): string {
  const { what, remedy } = words[fault.kind];
  return `${subjectOf(fault)}: ${what(fault)} - ${fault.mendable ? "hs verify --repair mends it" : remedy(fault)}`;
}

/** What was mended, in a line. */
export function mendedLine(fault: Fault): string {
  const { what, mended } = words[fault.kind];
  return `${subjectOf(fault)}: ${what(fault)} - mended: ${mended?.(fault) ?? "done"}`;
}
