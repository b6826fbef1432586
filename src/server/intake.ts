/*
 * The server's end of `hs submit --queue`: it stores tasks that come over the wire, and answers when they are stored.
 * The store sets the pace: while it is busy nothing is answered, and a submitter stops at its window. The schedule is
 * not known here; it hears of new tasks from the store.
 *
 * A server with a submission of its own (a finite run) takes the tasks into that one, so that they are among those it
 * runs to the end.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Patience } from "../log/patience.ts";
import type { SparingLog } from "../log/sparing.ts";
import type { Scope, Store } from "../store/store.ts";
import type { NewTask, Submission } from "../task/task.ts";
import type { PeerLink } from "../wire/link.ts";
import type { SubmitterMessage } from "../wire/message.ts";

export interface IntakeOptions {
  readonly store: Pick<Store, "durable" | "addSubmission" | "insert" | "sync">;
  readonly scope: Scope;
  readonly serverId: string;
  readonly patience: Patience;
  readonly log: Logger;
  readonly clock: Pick<Clock, "after">;
  /** A submitter that says nothing for this long, although nothing keeps it from it, is given up, milliseconds. */
  readonly silenceMs: number;
  /** The log of submitters that are refused. */
  readonly refusals: SparingLog;
  /** Whether the server is about to end and takes nothing more. */
  readonly closing: () => boolean;
  /** Called once, when the submitter is connected. */
  readonly onOpen: () => void;
  /** Called once, when its connection has ended. */
  readonly onClose: () => void;
}

/** What the owner of the connection passes on. */
export interface Intake {
  receive(message: Exclude<SubmitterMessage, { kind: "submitter" }>): void;
  closed(): void;
}

/**
 * The largest number of tasks in one transaction: it takes some 15 ms. More would keep the server from its other
 * duties.
 */
const largestBatch = 4096;

/** A submitter that is connected. */
interface Submitter {
  readonly link: PeerLink;
  readonly options: IntakeOptions;
  /** The submission that its tasks go into. */
  readonly submission: Submission;
  /** The submitter as log lines name it. */
  readonly name: string;
  /** Tasks that have come and are not stored yet, in order. */
  readonly waiting: (readonly NewTask[])[];
  /** Whether the store is at work for this submitter. What comes meanwhile waits. */
  storing: boolean;
  /** Whether it has sent all its tasks. */
  complete: boolean;
  /** Whether its connection has ended, by either side. Nothing more is sent to it. */
  over: boolean;
  /** The number of tasks that are stored. */
  total: number;
  /** How many looks in a row have found that it said nothing. A server that stands still makes none meanwhile. */
  silentLooks: number;
  /** The timer of the next look; null: its connection has ended. */
  look: Timer | null;
}

/** How often a submitter is looked at within the time that it may be silent. */
const looks = 10;

/**
 * Serves a submitter that has said who it is, until its connection ends. Never throws: failures are reported to the
 * submitter and the log.
 */
export function takeSubmitter(
  link: PeerLink,
  first: Extract<SubmitterMessage, { kind: "submitter" }>,
  options: IntakeOptions,
): Intake {
  const { scope, patience, log } = options;
  const submitter: Submitter = {
    link,
    options,
    submission: scope.kind === "all" ? first.submission : { ...first.submission, id: scope.id },
    name: `${first.submission.host}: ${first.submission.id}`,
    waiting: [],
    storing: true,
    complete: false,
    over: false,
    total: 0,
    silentLooks: 0,
    look: null,
  };
  const { name, waiting } = submitter;
  const failed = (error: unknown): void => refuse(submitter, error);
  lookLater(submitter);
  options.onOpen();
  log.debug(() => `Submitter connected (${name})`);
  accept(submitter)
    .then(() => storeWaiting(submitter))
    .catch(failed);
  return {
    receive(message) {
      if (submitter.over) return;
      submitter.silentLooks = 0;
      if (message.kind === "done") submitter.complete = true;
      // A submitter that waits for its own input says so, from time to time, by a message without tasks.
      else if (message.tasks.length > 0) waiting.push(message.tasks);
      else return;
      if (!submitter.storing) storeWaiting(submitter).catch(failed);
    },
    closed() {
      submitter.over = true;
      submitter.look?.cancel();
      submitter.look = null;
      waiting.length = 0;
      // The submitter is gone, so a pause before another try need not last: the next try ends the call.
      patience.goOn();
      if (!submitter.complete) log.debug(() => `Submitter gone (${name}): ${counted(submitter.total, "task")}`);
      options.onClose();
    },
  };
}

/** Gives up a submitter that has said nothing for too long: it would keep a finite run from its end. */
function lookLater(submitter: Submitter): void {
  const { clock, silenceMs } = submitter.options;
  submitter.look = clock.after(silenceMs / looks, () => {
    if (submitter.over) return;
    // What it has sent is being stored: it may have to wait for that.
    submitter.silentLooks = submitter.storing ? 0 : submitter.silentLooks + 1;
    if (submitter.silentLooks < looks) return lookLater(submitter);
    refuse(submitter, new Refusal(`the submitter has said nothing for ${counted(silenceMs / 1000, "second")}`));
  });
}

/**
 * Stores the submission and tells the submitter that it may send. Throws Refusal when this server takes no tasks, or
 * not these.
 */
async function accept(submitter: Submitter): Promise<void> {
  const { link, submission, options } = submitter;
  const { store, scope, serverId, closing } = options;
  if (closing()) throw new Refusal(endsSoon);
  if (scope.kind === "all") await persist(submitter, () => store.addSubmission(submission));
  else if (submission.template !== null)
    throw new Refusal("it runs one submission with a template of its own, expand templates when submitting");
  if (!submitter.over) link.send({ kind: "accepted", serverId, group: 0, groupReason: "the default" });
}

/** Stores what has come, and ends the connection after the last. Throws Refusal when tasks cannot be taken. */
async function storeWaiting(submitter: Submitter): Promise<void> {
  const { link, waiting, name, options } = submitter;
  const { store, log, closing } = options;
  submitter.storing = true;
  while (waiting.length > 0 && !submitter.over) {
    if (closing()) throw new Refusal(endsSoon);
    const tasks = nextBatch(waiting).map((task) => taken(task, submitter.submission.id));
    if (new Set(tasks.map(({ id }) => id)).size < tasks.length) throw new Refusal(sameId);
    await persist(submitter, () => store.insert(tasks));
    // A submitter may forget what is said to be stored.
    await persist(submitter, () => store.sync());
    // Tasks in memory end with the server, which may have begun to end while there was no room.
    if (!store.durable && closing()) throw new Refusal(endsSoon);
    if (submitter.over) break;
    submitter.total += tasks.length;
    log.debug(() => `Submitted ${counted(tasks.length, "task")}`);
    link.send({ kind: "stored", count: tasks.length });
  }
  submitter.storing = false;
  if (submitter.complete && !submitter.over) {
    log.debug(() => `Submitter done (${name}): ${counted(submitter.total, "task")}`);
    link.close();
  }
}

/** Takes the next tasks to store: all that came while the store was busy, up to the largest number. */
function nextBatch(waiting: (readonly NewTask[])[]): readonly NewTask[] {
  const batch = [...waiting.shift()!];
  while (waiting.length > 0 && batch.length + waiting[0]!.length <= largestBatch) batch.push(...waiting.shift()!);
  return batch;
}

/** A task as it is stored. Throws Refusal when it is no new task. */
function taken(task: NewTask, submitId: string): NewTask {
  const fault = faultOf(task);
  if (fault !== null) throw new Refusal(`a task that cannot be (${task.id}): ${fault}`);
  return task.submitId === submitId ? task : { ...task, submitId };
}

/** Makes a call to the store. One that may pass is tried again for as long as the submitter waits. */
function persist<T>(submitter: Submitter, call: () => Promise<T>): Promise<T> {
  const { patience, closing } = submitter.options;
  const unlessOver = (): Promise<T> => {
    // The submitter is gone, so nobody would learn that the tasks are stored.
    if (submitter.over) throw new Refusal("it is gone");
    return call();
  };
  return patience.persist("submitter", unlessOver, ({ message }) =>
    submitter.over || closing() ? new Refusal(message) : null,
  );
}

function refuse(submitter: Submitter, error: unknown): void {
  const { link, waiting, name, options } = submitter;
  submitter.storing = false;
  waiting.length = 0;
  if (submitter.over) return;
  submitter.over = true;
  const reason = error instanceof Refusal ? error.message : describe(error);
  options.refusals.warn(`Submitter refused (${name}): ${reason}`);
  link.send({ kind: "refused", reason });
  link.close();
}

/** Thrown with the reason why a submitter's tasks are not taken, in words for the submitter. */
class Refusal extends Error {}

const endsSoon = "it is about to end";
const sameId = "a task with the same id is there already";

/**
 * The reason that a submitter reads for an error of the store. Tasks can be at fault in one way only: they are there
 * already. Any other error is one of the store.
 */
function describe(error: unknown): string {
  const text = messageOf(error);
  if (/unique constraint|already/i.test(text)) return sameId;
  return `the tasks could not be stored: ${text}`;
}

/**
 * What is wrong with a task that came over the wire; null: nothing. The codec has checked each field by itself; this
 * checks what makes a task a new one.
 */
function faultOf(task: NewTask): string | null {
  if (task.attempt !== 1 || task.previousId !== null) return "it is not a first attempt";
  return Object.hasOwn(task.tag, "part") ? null : "it has no tag 'part'";
}
