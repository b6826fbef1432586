/*
 * Every message that a server exchanges with its clients and with submitters. On the wire each is one JSON object a
 * line (PROTOCOL.md). The in-process pipe hands over the objects themselves, so neither side may change them. Together
 * with task/task.ts this file predicts the program.
 *
 * A client says hello and grants credit: how many tasks it will take beyond those it holds. The server sends
 * assignments while there is credit, and each uses up one. Outcomes come back as results, with new credit in the same
 * frame; the client keeps them until an ack names them. Beats say that the client lives, and are answered. A server
 * that prints what tasks print gets it in pieces, before the outcome.
 *
 * A submitter names its submission and sends tasks. It pauses while many of them are not yet known to be stored.
 *
 * A watcher asks how it is going, what a task has printed, and for tasks to be cancelled or reverted.
 */
import type { Capacity } from "../task/demand.ts";
import type { OutputPiece, OutputQuery, View, ViewAction, ViewQuery } from "../view/view.ts";
import type { Assignment, NewTask, Outcome, Submission } from "../task/task.ts";

/**
 * The largest number of executors of a client, and of tasks that it may ask for at once. It is a thousand times what
 * hosts have.
 */
export const mostCredit = 1_000_000;
/** The longest that a client may be told to be silent before it counts as lost, milliseconds: a year. */
export const longestEvictMs = 31_536_000_000;

/** One dispatch of one task. The store gives each dispatch of a task a greater number than the one before. */
export interface Lease {
  readonly id: string;
  readonly lease: number;
}

/** A dispatch that has begun to run, and when: milliseconds since 1970 by the client's clock. */
export interface Start extends Lease {
  readonly startTime: number;
}

/**
 * What a server runs, and what the tasks of a client are of: a store, by its identity, and in it one submission;
 * without `run` whatever is free.
 */
export interface Ground {
  readonly store?: string;
  readonly run?: string;
}

/** How a server prints what tasks of its clients print: line by line as it comes, or the whole of a task at its end. */
export type PrintUnit = "lines" | "tasks";

/** The largest number of bytes of output in one message. */
export const mostOutput = 192 * 1024;
/** The largest number of bytes of output that a client may have sent without knowing that they are taken. */
export const outputWindow = 4 * 1024 * 1024;

export type ClientMessage =
  /**
   * The first message of a connection. A client that returns, to the same server or to its successor, names what it
   * still has: `running` (started, or waiting to be) and `finished` (not acknowledged). The outcomes of the finished
   * tasks follow as results. The ground is that of these tasks; a client that has none, or does not know, names none.
   * `secret`: a text that this client alone knows, the same in each of its hellos, so that nobody else can take its
   * place while the server knows it. `job`: what brought the client up, as far as it knows: the launch of an
   * autoscaler, or the job of a batch system. `capacity`: what the client may hand out to tasks. A client of an older
   * version does not tell, and gets every task. `prints`: it can send what its tasks print.
   * `shows`: it answers `show`.
   */
  | ({
      readonly kind: "hello";
      readonly clientId: string;
      readonly host: string;
      readonly executors: number;
      readonly credit: number;
      readonly running: readonly Lease[];
      readonly finished: readonly Lease[];
      readonly secret?: string;
      readonly job?: string;
      readonly capacity?: Capacity;
      readonly prints?: boolean;
      readonly shows?: boolean;
    } & Ground)
  /** Outcomes of finished tasks, and how many more tasks the client will take. */
  | { readonly kind: "results"; readonly outcomes: readonly Outcome[]; readonly credit: number }
  /**
   * Tasks given back without an outcome, because they never started or were stopped unfinished. `missing`: submissions
   * whose directory this client was to run tasks in and could not enter.
   */
  | { readonly kind: "returned"; readonly tasks: readonly Lease[]; readonly missing?: readonly string[] }
  /**
   * The client lives. `started`: tasks that have run for a while; not there: none. A task may be named again.
   * `leaving`: the client takes no more tasks, and leaves when what it runs has ended.
   */
  | { readonly kind: "beat"; readonly started?: readonly Start[]; readonly leaving?: boolean }
  /**
   * A piece of what a task has printed, said before its outcome to a server that prints it (see welcome). `from`: how
   * many bytes of the same stream came before it. `data`: at most `mostOutput` bytes, in base64. Pieces are answered by
   * `taken`, and at most `outputWindow` bytes of them may be unanswered.
   */
  | ({
      readonly kind: "output";
      readonly stream: "stdout" | "stderr";
      readonly from: number;
      readonly data: string;
    } & Lease)
  /**
   * Answers a `show` with the same number: a piece of what a task has printed (see OutputPiece), or in `refused` why
   * there is none.
   */
  | ({ readonly kind: "shown"; readonly ask: number; readonly refused?: string } & OutputPiece)
  /** The client leaves. Everything it held was returned or reported before; `reason` is for people. */
  | { readonly kind: "bye"; readonly reason: string };

export type ServerMessage =
  /**
   * Answers a hello. `companyMs`: how long (ms) an outcome may wait to share a frame with others; 0 where each is worth
   * recording at once. `stay`: see beat. `evictMs`: a client that is silent for longer (ms) counts as lost. The ground
   * is the server's. If it is not that of the hello, the client keeps its tasks, hangs up, and goes on looking for
   * their server; nothing else follows. `fleeting`: the store ends with its server, so nobody else can have it.
   * `prints`: the server prints what tasks print, and wants it sent; said only to a client that can.
   */
  | ({
      readonly kind: "welcome";
      readonly serverId: string;
      readonly serverHost: string;
      readonly companyMs: number;
      readonly stay?: boolean;
      readonly evictMs?: number;
      readonly fleeting?: boolean;
      readonly prints?: PrintUnit;
    } & Ground)
  /**
   * The template of a submission and the directory that it came from (null: not known), sent once a session before the
   * first of its tasks.
   */
  | {
      readonly kind: "submission";
      readonly id: string;
      readonly template: string | null;
      readonly cwd: string | null;
    }
  /** Tasks to run. Each uses up one credit. */
  | { readonly kind: "assign"; readonly tasks: readonly Assignment[] }
  /** These outcomes are recorded: the client may forget them. */
  | { readonly kind: "ack"; readonly tasks: readonly Lease[] }
  /** Stop these tasks (signal escalation); their outcomes are reported as usual. */
  | { readonly kind: "cancel"; readonly tasks: readonly Lease[] }
  /** These tasks belong to somebody else by now, or have ended: stop and return them, nobody wants their outcomes. */
  | { readonly kind: "drop"; readonly tasks: readonly Lease[] }
  /**
   * Answers a beat. `stay`: more tasks may come, so a client without any is not idle, however long it waits. It holds
   * until a beat comes without it.
   */
  | { readonly kind: "beat"; readonly stay?: boolean }
  /** So many more bytes of output are taken: the client may send others. */
  | { readonly kind: "taken"; readonly bytes: number }
  /**
   * Somebody wants to see what a task has printed, which the client has or had: a piece of its captured output (see
   * OutputQuery). Said only to a client that can answer; at most `mostAsks` are unanswered.
   */
  | ({ readonly kind: "show"; readonly ask: number } & OutputQuery)
  /** There is no more work: return what was not started, deal with what runs as `how` says, say bye. */
  | { readonly kind: "leave"; readonly how: LeaveKind; readonly reason: string };

/**
 * What happens to running tasks when a client leaves. `finish`: they run to their end. `interrupt`: they are stopped
 * (signal escalation) and their outcomes count. `abort`: they are stopped and given back unfinished.
 */
export type LeaveKind = "finish" | "interrupt" | "abort";

export type SubmitterMessage =
  /** The first message of a connection. */
  | { readonly kind: "submitter"; readonly submission: Submission }
  /** Tasks to store, answered by `stored` in their order. At most `submitWindow` of them may be unanswered. */
  | { readonly kind: "tasks"; readonly tasks: readonly NewTask[] }
  /** All tasks were sent. The server ends the connection when all are stored. */
  | { readonly kind: "done" };

export type IntakeMessage =
  /**
   * The server takes tasks. Those without a group of their own go to group 0. Older submitters take their default group
   * from `group`, and tell `groupReason`; older servers choose another.
   */
  | { readonly kind: "accepted"; readonly serverId: string; readonly group: number; readonly groupReason: string }
  /** So many of the tasks that were not answered yet are stored. */
  | { readonly kind: "stored"; readonly count: number }
  /** The server takes no tasks, or could not store them; the connection ends. */
  | { readonly kind: "refused"; readonly reason: string };

/** Most tasks that a submitter may have sent without knowing that they are stored. */
export const submitWindow = 8192;

/** The largest number of questions of a watcher, or to a client, that are not answered. */
export const mostAsks = 64;
/** The largest number of clients, running tasks and failures that a watcher may ask for, each. */
export const mostShown = 200;
/** The largest number of characters in the filter of a watcher. */
export const mostFilter = 1000;
/** The largest number of tasks that a watcher may change at once. */
export const mostActed = 1000;

/** What is said by who looks on. Each question has a number, and one answer with the same number. */
export type WatcherMessage =
  /** The first message of a connection. */
  | { readonly kind: "watcher" }
  /** How is it going? See ViewQuery. */
  | ({ readonly kind: "look"; readonly ask: number } & ViewQuery)
  /** What has a task printed? */
  | ({ readonly kind: "read"; readonly ask: number } & OutputQuery)
  /** Do this to these tasks. */
  | { readonly kind: "act"; readonly ask: number; readonly action: ViewAction; readonly ids: readonly string[] };

/** An answer to a watcher. */
export type WatchAnswer =
  | { readonly kind: "view"; readonly ask: number; readonly view: View }
  | ({ readonly kind: "piece"; readonly ask: number } & OutputPiece)
  /** So many tasks were changed. */
  | { readonly kind: "acted"; readonly ask: number; readonly count: number }
  /** It could not be done; `reason` is for people. */
  | { readonly kind: "failed"; readonly ask: number; readonly reason: string };

/** What a server says to a watcher. */
export type WatchMessage =
  /** Answers `watcher`. */
  { readonly kind: "watched"; readonly serverId: string; readonly serverHost: string } | WatchAnswer;

/** What is said by those who connect to a server. */
export type PeerMessage = ClientMessage | SubmitterMessage | WatcherMessage;
/** What a server says. */
export type HostMessage = ServerMessage | IntakeMessage | WatchMessage;
