/*
 * The store of a run without a database. It keeps the promises of every store for as long as the process lives, in
 * bounded memory. `insert` waits while too many tasks are unscheduled, or too large ones. A task that has ended is
 * forgotten, except for counts and the little that another attempt needs.
 */
import type { Retries } from "../task/retries.ts";
import { type FinalFailures, KnownFailures } from "./memory-failures.ts";
import { deque } from "../base/deque.ts";
import { type ClaimedTask, isFailure, type NewTask, sentinel, type Submission } from "../task/task.ts";
import { backlogOf } from "./backlog.ts";
import { type Entry, isEmpty, type Lane, takeNext } from "./lanes.ts";
import { leaseAt, leaseCount } from "./leases.ts";
import { nextAttempt } from "./retry.ts";
import {
  type HeldPair,
  highestFree,
  holdersOf,
  isToTell,
  type Lowest,
  lowestOf,
  nowhere,
  summaryOf,
} from "./setbacks.ts";
import {
  type Admission,
  type AdoptRequest,
  type Claim,
  type ClaimRequest,
  type Commit,
  type CommitReport,
  type Completion,
  type HeldBack,
  mostTold,
  type OwnStore,
  type Recall,
  type Scope,
  type ServerRow,
  type Setback,
  type Source,
  type Store,
} from "./store.ts";
import { isTooMuch } from "./too-much.ts";

type Matches = (entry: Entry) => boolean;

/** The largest number of characters in the lines of tasks that wait, beyond which `insert` waits. */
const mostWaitingText = 64 * 1024 * 1024;
/** The largest number of characters in large templates. All others are small beside the tasks that come with them. */
const mostTemplateText = 64 * 1024 * 1024;
const largeTemplate = 4096;

export class MemoryStore implements Store {
  readonly durable = false;
  readonly title = "memory";
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry>();
  readonly #lanes = new Map<number, Lane>();
  /** The number of unfinished tasks of each group. */
  readonly #open = new Map<number, number>();
  readonly #failures: KnownFailures;
  readonly #submissions = new Map<string, Submission>();
  readonly #id = crypto.randomUUID();
  #nextLease = 0;
  readonly #servers = new Map<string, ServerRow>();
  /** The server of each connected client. */
  readonly #clients = new Map<string, string>();
  readonly #listeners: (() => void)[] = [];
  #room: PromiseWithResolvers<void> | null = null;
  #waiting = 0;
  /** The number of characters in their lines. */
  #waitingText = 0;
  #templateText = 0;
  #total = 0;
  #succeeded = 0;
  #cancelled = 0;
  /** Recalls that no commit has named yet, by server. */
  readonly #recalls = new Map<string, Recall[]>();
  #nextRecall = 1;
  readonly #recallListeners: (() => void)[] = [];
  #place = 0;
  /** The submission of all tasks so far; undefined before the first, null once there are several. */
  #onlySubmission: string | null | undefined = undefined;
  #closed = false;

  /** `capacity`: inserts wait while more tasks than this are unscheduled. */
  constructor(capacity = 10_000) {
    this.#capacity = capacity;
    this.#failures = new KnownFailures(capacity);
  }

  async addSubmission(submission: Submission): Promise<void> {
    const { id, template } = submission;
    const known = this.#submissions.get(id);
    const text = this.#templateText + largePart(template) - largePart(known?.template ?? null);
    if (text > mostTemplateText) throw new Error("there is no room for more large templates without a database");
    this.#templateText = text;
    this.#submissions.set(id, submission);
  }

  async submission(id: string): Promise<Submission | null> {
    return this.#submissions.get(id) ?? null;
  }

  insert(tasks: readonly NewTask[]): Promise<void> {
    // Ids of tasks that have ended are forgotten, and may come again.
    const known = tasks.find(({ id }) => this.#entries.has(id));
    if (known !== undefined) return Promise.reject(new Error(`a task with the id ${known.id} is there already`));
    for (const task of tasks) this.#add(task, null, 0);
    if (tasks.length > 0) for (const wake of this.#listeners) wake();
    if (!this.#isFull() || this.#closed) return Promise.resolve();
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Nothing in memory survives a power cut. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  onInsert(wake: () => void): void {
    this.#listeners.push(wake);
  }

  readonly own: OwnStore = {
    counts: () => ({
      total: this.#total,
      unfinished: this.#entries.size,
      succeeded: this.#succeeded,
      cancelled: this.#cancelled,
    }),
    waitingSince: () => {
      for (const { serverId, task } of this.#entries.values()) if (serverId === null) return task.submitTime;
      return null;
    },
    cancel: (ids) => this.#cancel(ids),
  };

  onRecall(wake: () => void): void {
    this.#recallListeners.push(wake);
  }

  async recalls(serverId: string): Promise<readonly Recall[]> {
    return [...(this.#recalls.get(serverId) ?? [])];
  }

  async addServer(server: Omit<ServerRow, "firstLease">): Promise<Admission> {
    const firstLease = Math.max(this.#nextLease, leaseAt(server.startedAt));
    this.#nextLease = firstLease + leaseCount(server);
    this.#servers.set(server.id, { ...server, firstLease });
    return { storeId: this.#id, firstLease };
  }

  async unreserve(id: string): Promise<void> {
    const server = this.#servers.get(id);
    if (server !== undefined) this.#servers.set(id, { ...server, reserves: false });
  }

  async beatServer(id: string, at: number): Promise<boolean> {
    const server = this.#servers.get(id);
    if (server !== undefined) this.#servers.set(id, { ...server, beatAt: at });
    return server !== undefined;
  }

  async endServer(id: string): Promise<void> {
    this.#servers.delete(id);
  }

  async servers(): Promise<readonly ServerRow[]> {
    return [...this.#servers.values()];
  }

  async handedOut(): Promise<number> {
    return 0;
  }

  async recordLeft(): Promise<number> {
    return 0;
  }

  async buryServer(id: string): Promise<number> {
    this.#servers.delete(id);
    const count = this.#releaseHeld((holder) => holder === id);
    // What the dead server reserved is free now.
    for (const wake of this.#listeners) wake();
    return count;
  }

  async revertOrphans(): Promise<number> {
    return this.#releaseHeld((holder) => !this.#servers.has(holder));
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    const { scope, group, limit } = request;
    if ((this.#recalls.get(request.serverId)?.length ?? 0) > 0) return { kind: "recalled" };
    const mine = this.#filter(scope, request.serverId, undefined, request.aside);
    const next = this.#lowest(mine, "waiting");
    if (next === null) return { kind: "none", unfinished: this.#count(mine) };
    if (group === "any") return this.#takeFrom(next, mine, request);
    const failures = this.#lowestFailures(request);
    if (failures.overall < next) return this.#claimPast(request, mine, failures);
    const busy = this.#lowest(mine, "open");
    if (busy !== null && busy < next) return this.#waitFor(busy, mine);
    if (group !== null && next > group) return { kind: "advance", to: next, heldBack: null };
    return limit <= 0 ? { kind: "claimed", group: next, tasks: [] } : this.#takeFrom(next, mine, request);
  }

  /** Claims past tasks that are held back by failures below the group that would be next. */
  #claimPast(request: ClaimRequest, mine: Matches, failures: Lowest): Claim {
    const { group, limit } = request;
    const isFree = ({ task }: Entry): boolean => task.group <= highestFree(failures, this.#directoryOf(task.submitId));
    const free = (entry: Entry): boolean => isFree(entry) && mine(entry);
    const next = this.#lowest(free, "waiting");
    const busy = this.#lowest(mine, "held");
    if (busy !== null && (next === null || busy < next)) return this.#waitFor(busy, mine);
    if (next !== null && (typeof group !== "number" || next <= group))
      return limit <= 0 ? { kind: "claimed", group: next, tasks: [] } : this.#takeFrom(next, free, request);
    const held = (entry: Entry): boolean => mine(entry) && !isFree(entry);
    const heldBack = this.#heldBack(request, held, next ?? Number.POSITIVE_INFINITY);
    if (next !== null) return { kind: "advance", to: next, heldBack };
    return heldBack === null ? { kind: "none", unfinished: 0 } : { kind: "heldBack", heldBack };
  }

  #waitFor(busyGroup: number, mine: Matches): Claim {
    const inGroup = (entry: Entry): boolean => entry.task.group === busyGroup && mine(entry);
    return { kind: "waiting", busyGroup, unfinished: this.#count(inGroup) };
  }

  #takeFrom(group: number, mine: Matches, { serverId, at, limit, eager, tooMuch }: ClaimRequest): Claim {
    const tasks: ClaimedTask[] = [];
    const fits = (entry: Entry): boolean => !isTooMuch(entry.task, tooMuch) && mine(entry);
    for (const entry of takeNext(this.#lanes.get(group)!, limit, eager, tooMuch.length === 0 ? mine : fits)) {
      entry.serverId = serverId;
      entry.scheduleTime = at;
      this.#noteWaiting(entry, -1);
      tasks.push({ ...entry.task, scheduleTime: at });
    }
    this.#makeRoom();
    return { kind: "claimed", group, tasks };
  }

  async commit(commit: Commit): Promise<CommitReport> {
    const refused: string[] = [];
    if (commit.recalled.length > 0) this.#forgetRecalls(commit);
    for (const done of commit.completed) {
      if (!this.#record(commit, done)) refused.push(done.id);
    }
    for (const id of commit.reverted) {
      const entry = this.#entries.get(id);
      if (entry?.serverId === commit.serverId) this.#release(entry);
    }
    return { refused };
  }

  async retryFailures(scope: Scope, retries: Retries, at: number, newId: () => string): Promise<number> {
    const again = this.#failures.takeAgain(retries, this.#filterSubmissions(scope, null));
    for (const failure of again) this.#add(nextAttempt(failure, retries, at, newId()), null, 0);
    if (again.length > 0) for (const wake of this.#listeners) wake();
    return again.length;
  }

  survey = async (scope: Scope) => ({ unfinished: this.#count(this.#filter(scope, null)) });

  unended = async (ids: readonly string[]) => ids.filter((id) => this.#entries.has(id));

  backlog = async (scope: Scope) =>
    backlogOf([...this.#entries.values()].filter(this.#filter(scope, null)).map(({ task }) => task.group));

  async sources(scope: Scope): Promise<readonly Source[]> {
    const mine = this.#filter(scope, null);
    const open = new Map<string, number>();
    for (const entry of this.#entries.values()) {
      const { submitId } = entry.task;
      if (mine(entry)) open.set(submitId, (open.get(submitId) ?? 0) + 1);
    }
    const found = new Map<string, Source>();
    for (const [id, unfinished] of open) {
      const { cwd = null, host = null, time = null } = this.#submissions.get(id) ?? {};
      const key = JSON.stringify([cwd, host]);
      const one = { cwd, host, submissions: 1, example: id, unfinished, first: time, last: time };
      const sum = found.get(key);
      found.set(key, sum === undefined ? one : joined(sum, one));
    }
    return [...found.values()].toSorted((one, other) => other.unfinished - one.unfinished);
  }

  async total(scope: Scope): Promise<number> {
    // Ended tasks are forgotten: only their number is known, not whose they were.
    return this.#total - (this.#entries.size - this.#count(this.#filter(scope, null)));
  }

  async addClient(client: { readonly id: string; readonly serverId: string }): Promise<void> {
    this.#clients.set(client.id, client.serverId);
  }

  forgetClient = (id: string, serverId: string): Promise<void> => this.endClient(id, serverId);

  async endClient(id: string, serverId: string): Promise<void> {
    if (this.#clients.get(id) === serverId) this.#clients.delete(id);
  }

  async clientsOf(serverId: string): Promise<readonly string[]> {
    return [...this.#clients].filter(([, server]) => server === serverId).map(([id]) => id);
  }

  async adopt(request: AdoptRequest): Promise<readonly ClaimedTask[]> {
    const { serverId, at } = request;
    this.#clients.set(request.clientId, serverId);
    const from = new Set(request.from);
    const mine = this.#filter(request.scope, serverId, from);
    const mayTake = ({ serverId: holder }: Entry): boolean =>
      holder === null || from.has(holder) || !this.#servers.has(holder);
    const tasks: ClaimedTask[] = [];
    const freed = new Set<Entry>();
    for (const id of request.ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined || !mayTake(entry) || !mine(entry)) continue;
      if (entry.serverId === null) {
        freed.add(entry);
        entry.scheduleTime = at;
      }
      entry.serverId = serverId;
      tasks.push({ ...entry.task, scheduleTime: entry.scheduleTime });
    }
    this.#withdraw(freed);
    return tasks;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#room?.resolve();
    this.#room = null;
  }

  /** Adds a task. `serverId` holds it from `at` on; null: it waits. */
  #add(task: NewTask, serverId: string | null, at: number): void {
    const entry: Entry = { task, place: this.#place++, serverId, scheduleTime: at };
    this.#entries.set(task.id, entry);
    this.#total++;
    this.#open.set(task.group, (this.#open.get(task.group) ?? 0) + 1);
    if (this.#onlySubmission === undefined) this.#onlySubmission = task.submitId;
    else if (this.#onlySubmission !== task.submitId) this.#onlySubmission = null;
    if (serverId !== null) return;
    const lane = this.#lane(task.group);
    (task.attempt > 1 ? lane.retries : lane.first).push(entry);
    this.#noteWaiting(entry, 1);
  }

  #lane(group: number): Lane {
    let lane = this.#lanes.get(group);
    if (lane === undefined) {
      lane = { first: deque<Entry>(), retries: deque<Entry>(), returned: [], sorted: true };
      this.#lanes.set(group, lane);
    }
    return lane;
  }

  #record(commit: Commit, done: Completion): boolean {
    const entry = this.#entries.get(done.id);
    if (entry === undefined) return false;
    const { task } = entry;
    this.#end(entry);
    const { retry, exitStatus } = done;
    if (exitStatus === 0) this.#succeeded++;
    else if (exitStatus === sentinel.cancelled) this.#cancelled++;
    if (retry !== null) this.#add(retry.task, retry.claimed ? commit.serverId : null, retry.claimed ? commit.at : 0);
    else if (isFailure(done.exitStatus)) this.#failures.keep({ task, place: entry.place, exitStatus: done.exitStatus });
    return true;
  }

  /** Forgets a task that has ended. */
  #end(entry: Entry): void {
    const { task } = entry;
    if (entry.serverId === null) this.#withdraw(new Set([entry]));
    this.#entries.delete(task.id);
    const open = (this.#open.get(task.group) ?? 0) - 1;
    if (open > 0) this.#open.set(task.group, open);
    else this.#open.delete(task.group);
  }

  #cancel(ids: readonly string[]): number {
    let count = 0;
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      const { serverId } = entry;
      this.#end(entry);
      this.#cancelled++;
      count++;
      if (serverId === null) continue;
      const recalls = this.#recalls.get(serverId) ?? [];
      recalls.push({ number: this.#nextRecall++, id, kind: "cancelled" });
      this.#recalls.set(serverId, recalls);
    }
    if (count > 0) for (const wake of this.#recallListeners) wake();
    // A server that waits for these tasks to end must look again.
    if (count > 0) for (const wake of this.#listeners) wake();
    return count;
  }

  #forgetRecalls({ serverId, recalled }: Commit): void {
    const handled = new Set(recalled);
    const left = (this.#recalls.get(serverId) ?? []).filter(({ number }) => !handled.has(number));
    this.#recalls.set(serverId, left);
  }

  /** Removes tasks from their lanes, because they have ended or already run: they must not be claimed any more. */
  #withdraw(entries: ReadonlySet<Entry>): void {
    if (entries.size === 0) return;
    const groups = new Set<number>();
    for (const { task } of entries) groups.add(task.group);
    for (const group of groups) {
      const lane = this.#lane(group);
      for (const queue of [lane.first, lane.retries]) {
        for (const other of queue.drain()) if (!entries.has(other)) queue.push(other);
      }
      lane.returned = lane.returned.filter((other) => !entries.has(other));
    }
    for (const entry of entries) this.#noteWaiting(entry, -1);
    this.#makeRoom();
  }

  #originOf(submitId: string): Setback["origin"] {
    const submission = this.#submissions.get(submitId);
    return submission === undefined ? null : { cwd: submission.cwd, time: submission.time };
  }

  #directoryOf(submitId: string): string {
    return this.#submissions.get(submitId)?.cwd ?? nowhere;
  }

  /** The final failures in scope, by submission and group. */
  #failuresFor({ scope, serverId, retries, aside }: ClaimRequest): Iterable<FinalFailures> {
    return this.#failures.final(retries, this.#filterSubmissions(scope, serverId, undefined, aside));
  }

  #lowestFailures(request: ClaimRequest): Lowest {
    const places: [string, number][] = [];
    for (const { submitId, group } of this.#failuresFor(request)) places.push([this.#directoryOf(submitId), group]);
    return lowestOf(places);
  }

  /** Tells of waiting tasks that match; null: there are none in groups up to `to`. */
  #heldBack(request: ClaimRequest, matches: Matches, to: number): HeldBack | null {
    const pairs = new Map<string, HeldPair>();
    for (const entry of this.#entries.values()) {
      if (entry.serverId !== null || !matches(entry)) continue;
      const { submitId, group } = entry.task;
      const key = `${group} ${submitId}`;
      const tasks = (pairs.get(key)?.tasks ?? 0) + 1;
      pairs.set(key, { submitId, group, directory: this.#directoryOf(submitId), tasks });
    }
    const held = [...pairs.values()];
    if (!isToTell(held, to)) return null;
    const below = holdersOf(held);
    const reasons = [...this.#failuresFor(request)].filter(
      ({ submitId, group }) => group < below(this.#directoryOf(submitId)),
    );
    const setbacks = reasons
      .sort((left, right) => left.group - right.group)
      .slice(0, mostTold)
      .map((reason): Setback => ({ ...reason, origin: this.#originOf(reason.submitId) }));
    return { ...summaryOf(held), setbacks, reasons: reasons.length };
  }

  /** The lowest group with a matching task that waits, that a server holds, or either. */
  #lowest(mine: Matches, which: "waiting" | "held" | "open"): number | null {
    let lowest = Number.POSITIVE_INFINITY;
    if (mine !== anyone || which === "held") {
      for (const entry of this.#entries.values()) {
        const fits = which === "open" || (entry.serverId === null) === (which === "waiting");
        if (entry.task.group < lowest && fits && mine(entry)) lowest = entry.task.group;
      }
    } else if (which === "open") {
      for (const group of this.#open.keys()) lowest = Math.min(lowest, group);
    } else {
      for (const [group, lane] of this.#lanes) {
        if (isEmpty(lane)) this.#lanes.delete(group);
        else lowest = Math.min(lowest, group);
      }
    }
    return lowest === Number.POSITIVE_INFINITY ? null : lowest;
  }

  #count(matches: Matches): number {
    if (matches === anyone) return this.#entries.size;
    let count = 0;
    for (const entry of this.#entries.values()) if (matches(entry)) count++;
    return count;
  }

  #releaseHeld(isGone: (serverId: string) => boolean): number {
    let count = 0;
    for (const entry of this.#entries.values()) {
      if (entry.serverId === null || !isGone(entry.serverId)) continue;
      this.#release(entry);
      count++;
    }
    if (count > 0) for (const wake of this.#listeners) wake();
    return count;
  }

  #release(entry: Entry): void {
    entry.serverId = null;
    entry.scheduleTime = 0;
    const lane = this.#lane(entry.task.group);
    lane.returned.push(entry);
    lane.sorted = false;
    this.#noteWaiting(entry, 1);
  }

  #noteWaiting({ task }: Entry, change: 1 | -1): void {
    this.#waiting += change;
    this.#waitingText += change * task.args.length;
  }

  #isFull(): boolean {
    return this.#waiting > this.#capacity || this.#waitingText > mostWaitingText;
  }

  #makeRoom(): void {
    if (this.#room === null || this.#isFull()) return;
    this.#room.resolve();
    this.#room = null;
  }

  /**
   * A filter for the tasks in scope. Reservations of the servers `gone` no longer count; those of `aside` count as if a
   * server reserved them.
   */
  #filter(scope: Scope, serverId: string | null, gone?: ReadonlySet<string>, aside?: readonly string[]): Matches {
    const mine = this.#filterSubmissions(scope, serverId, gone, aside);
    return mine === anyone ? anyone : (entry) => mine(entry.task.submitId);
  }

  #filterSubmissions(
    scope: Scope,
    serverId: string | null,
    gone?: ReadonlySet<string>,
    aside: readonly string[] = [],
  ): (submitId: string) => boolean {
    if (scope.kind === "submission")
      return scope.id === this.#onlySubmission ? anyone : (submitId) => submitId === scope.id;
    const reserved = new Set<string>(aside);
    for (const { id, reserves } of this.#servers.values()) {
      if (reserves && id !== serverId && gone?.has(id) !== true) reserved.add(id);
    }
    const only = this.#onlySubmission;
    if (reserved.size === 0 || (typeof only === "string" && !reserved.has(only))) return anyone;
    return (submitId) => !reserved.has(submitId);
  }
}

/** Two sources of one directory as one. */
function joined(one: Source, other: Source): Source {
  const times = [one.first, one.last, other.first, other.last].filter((time) => time !== null);
  return {
    ...one,
    submissions: one.submissions + other.submissions,
    unfinished: one.unfinished + other.unfinished,
    first: times.length === 0 ? null : Math.min(...times),
    last: times.length === 0 ? null : Math.max(...times),
  };
}

function largePart(template: string | null): number {
  const length = template?.length ?? 0;
  return length > largeTemplate ? length : 0;
}

/** The filter that lets everything pass. It is recognised by identity, because then no list has to be searched. */
function anyone(): boolean {
  return true;
}
