/*
 * The server's end of `hs submit --queue`: tasks that come over the wire are stored, and answered when they are. The store's pace is the pace of
 * all: while it is busy nothing is answered, and a submitter stops at its window. Knows nothing of the schedule; the store tells that.
 *
 * A server with a submission of its own (finite) takes the tasks into that one, so that they are among those it runs to the end.
 */
import { messageOf } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import type { Logger } from "../log/logger.ts";
import type { Patience } from "../log/patience.ts";
import type { Scope, Store } from "../store/store.ts";
import { longestArgs } from "../task/line.ts";
import type { NewTask, Submission } from "../task/task.ts";
import type { Duplex } from "../wire/duplex.ts";
import type { HostMessage, PeerMessage, SubmitterMessage } from "../wire/message.ts";

export interface IntakeOptions {
  readonly store: Pick<Store, "durable" | "addSubmission" | "activeGroup" | "insert">;
  readonly scope: Scope;
  readonly serverId: string;
  readonly patience: Patience;
  readonly log: Logger;
  /** The server is about to end and takes nothing more. */
  readonly closing: () => boolean;
  /** A submitter is there, and gone, for the schedule: called once each. */
  readonly onOpen: () => void;
  readonly onClose: () => void;
}

/** The door delivers what comes over the link, and its end. */
export interface Intake {
  receive(message: Exclude<SubmitterMessage, { kind: "submitter" }>): void;
  closed(): void;
}

/** Tasks in one transaction: some 15 ms; more would keep the server from its other duties. */
const largestBatch = 4096;

export function takeSubmitter(
  link: Duplex<HostMessage, PeerMessage>,
  first: Extract<SubmitterMessage, { kind: "submitter" }>,
  options: IntakeOptions,
): Intake {
  const { store, scope, serverId, patience, log, closing } = options;
  const submission: Submission = scope.kind === "all" ? first.submission : { ...first.submission, id: scope.id };
  const name = `${submission.host}: ${first.submission.id}`;
  /** What came and is not stored yet, in order. */
  const waiting: (readonly NewTask[])[] = [];
  let storing = true;
  let complete = false;
  let over = false;
  let total = 0;

  options.onOpen();
  log.debug(() => `Submitter connected (${name})`);
  begin().then(drain).catch(refuse);

  async function begin(): Promise<void> {
    if (closing()) throw new Refusal("it is about to end");
    if (scope.kind === "all") await persist(() => store.addSubmission(submission));
    else if (submission.template !== null)
      throw new Refusal("it runs one submission with a template of its own, expand templates when submitting");
    const { group, reason } = await persist(() => store.activeGroup());
    if (!over) link.send({ kind: "accepted", serverId, group, groupReason: reason });
  }

  /** Stores what has come, and ends the connection after the last. */
  async function drain(): Promise<void> {
    storing = true;
    while (waiting.length > 0 && !over) {
      if (closing()) throw new Refusal("it is about to end");
      const own = nextBatch().map(taken);
      if (new Set(own.map(({ id }) => id)).size < own.length) throw new Refusal(sameId);
      await persist(() => store.insert(own));
      // In memory they go with the server, which may have stopped while there was no room.
      if (!store.durable && closing()) throw new Refusal("it is about to end");
      if (over) break;
      total += own.length;
      log.debug(() => `Submitted ${own.length} tasks`);
      link.send({ kind: "stored", count: own.length });
    }
    storing = false;
    if (complete && !over) {
      log.debug(() => `Submitter done (${name}): ${total} tasks`);
      link.close();
    }
  }

  /** What came in several messages while the store was busy is stored at once. */
  function nextBatch(): readonly NewTask[] {
    const batch = [...waiting.shift()!];
    while (waiting.length > 0 && batch.length + waiting[0]!.length <= largestBatch) batch.push(...waiting.shift()!);
    return batch;
  }

  function taken(task: NewTask): NewTask {
    const fault = faultOf(task);
    if (fault !== null) throw new Refusal(`a task that cannot be (${task.id}): ${fault}`);
    return task.submitId === submission.id ? task : { ...task, submitId: submission.id };
  }

  /** What may pass is tried again for as long as the submitter waits. */
  function persist<T>(call: () => Promise<T>): Promise<T> {
    const unlessOver = (): Promise<T> => {
      // What is stored from now on, nobody would hear of.
      if (over) throw new Refusal("it is gone");
      return call();
    };
    return patience.persist("submitter", unlessOver, ({ message }) =>
      over || closing() ? new Refusal(message) : null,
    );
  }

  function refuse(error: unknown): void {
    storing = false;
    waiting.length = 0;
    if (over) return;
    over = true;
    const reason = error instanceof Refusal ? error.message : describe(error);
    log.warning(`Submitter refused (${name}): ${reason}`);
    link.send({ kind: "refused", reason });
    link.close();
  }

  return {
    receive(message) {
      if (over) return;
      if (message.kind === "done") complete = true;
      else waiting.push(message.tasks);
      if (!storing) drain().catch(refuse);
    },
    closed() {
      over = true;
      waiting.length = 0;
      // Nobody is left to wait for.
      patience.goOn();
      if (!complete) log.debug(() => `Submitter gone (${name}): ${total} tasks`);
      options.onClose();
    },
  };
}

/** The reason is for the submitter. */
class Refusal extends Error {}

const sameId = "a task with the same id is there already";

/** The store is beyond help, or these tasks are: that they are there already is the one thing that two can disagree on. */
function describe(error: unknown): string {
  const text = messageOf(error);
  if (/unique constraint|already/i.test(text)) return sameId;
  return `the tasks could not be stored: ${text}`;
}

/**
 * The shape is the codec's affair; this is what a store or a schedule relies on. Measured: both ends of a pipe take 0.25 microseconds a task, the
 * store not counted.
 */
function faultOf(task: NewTask): string | null {
  if (parseId(task.id) !== task.id) return "its id is no UUID";
  if (task.args === "" || task.args.includes("\0")) return "its command is empty or has a NUL character";
  if (task.args.length > longestArgs) return `its command is longer than ${longestArgs} bytes`;
  if (!isCount(task.group)) return "its group is no number from 0 on";
  if (![task.cores, task.memory, task.timeout].every((limit) => limit === null || isCount(limit)))
    return "its limits are no numbers from 0 on";
  if (task.attempt !== 1 || task.previousId !== null) return "it is not a first attempt";
  if (!Number.isFinite(task.submitTime) || Math.abs(task.submitTime) > latestTime) return "its time is none";
  return Object.hasOwn(task.tag, "part") ? null : "it has no tag 'part'";
}

/** What a Date can be. */
const latestTime = 8.64e15;

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
