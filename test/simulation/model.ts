/*
 * The database of the simulation: the contract of src/store/store.ts in its plainest form, a list of rows, each call at
 * once and for good. What an honest store refuses silently is refused here too; what no server may ask is blamed.
 */
import { nextAttempt } from "../../src/store/retry.ts";
import { isTriedAgain, type Retries } from "../../src/task/retries.ts";
import { leaseCount } from "../../src/store/leases.ts";
import { assert } from "../../src/base/assert.ts";
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
  type Recall,
  type Backlog,
  type Scope,
  type ServerRow,
  type Source,
} from "../../src/store/store.ts";
import { isTooMuch } from "../../src/store/too-much.ts";
import { type ClaimedTask, isFailure, type NewTask, sentinel, type Submission } from "../../src/task/task.ts";

export interface Row {
  readonly task: NewTask;
  /** Who holds it, or held it when it ended; null: it waits. */
  serverId: string | null;
  scheduleTime: number | null;
  /** Who is on record as its runner. */
  clientId: string | null;
  /** Since when it runs, as far as is known. */
  startTime: number | null;
  /** When a person last reverted it; -Infinity: nobody did. */
  revertedAt: number;
  ended: Completion | null;
  /** The server that recorded its outcome. */
  endedBy: string | null;
  nextId: string | null;
}

export interface ClientRow {
  readonly id: string;
  readonly serverId: string;
  readonly disconnectedAt: number | null;
  readonly evicted: boolean;
}

export interface Model {
  readonly rows: readonly Row[];
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly clients: ReadonlyMap<string, ClientRow>;
  row(id: string): Row | undefined;
  /** By a person. */
  readonly deleted: ReadonlySet<string>;
  addSubmission(submission: Submission): void;
  submission(id: string): Submission | null;
  insert(tasks: readonly NewTask[]): void;
  /** What a power cut would take: `ID` for an outcome, `new ID` for a task. */
  readonly unsynced: Set<string>;
  onInsert(wake: () => void): void;
  addServer(server: Omit<ServerRow, "firstLease">): Admission;
  unreserve(id: string): void;
  beatServer(id: string, at: number): boolean;
  endServer(id: string): void;
  handedOut(id: string): number;
  /** Keeps a commit of which its server is told that it is done: it is recorded later. */
  linger(order: Commit): void;
  /** Whether an outcome of the task lingers. */
  isLingering(id: string): boolean;
  /** Records what lingers of a server. */
  recordLeft(id: string): number;
  buryServer(id: string): number;
  revertOrphans(): number;
  claim(request: ClaimRequest): Claim;
  commit(order: Commit): CommitReport;
  retryFailures(scope: Scope, retries: Retries, at: number, newId: () => string): number;
  survey(scope: Scope): { readonly unfinished: number };
  unended(ids: readonly string[]): readonly string[];
  backlog(scope: Scope): Backlog;
  sources(scope: Scope): readonly Source[];
  total(scope: Scope): number;
  /** Whether failures hold the row back for a run with this scope and these retries. */
  isHeldBack(row: Row, scope: Scope, retries: Retries): boolean;
  /** The rows of lower groups that this server is to run before the task. */
  before(task: NewTask, serverId: string, retries: Retries): readonly Row[];
  addClient(client: { readonly id: string; readonly serverId: string }): void;
  endClient(id: string, serverId: string, at: number, evicted: boolean): void;
  forgetClient(id: string, serverId: string): void;
  clientsOf(serverId: string): readonly string[];
  adopt(request: AdoptRequest): readonly ClaimedTask[];
  onRecall(wake: () => void): void;
  recalls(serverId: string): readonly Recall[];
  /** As a person does it. */
  edit(row: Row, kind: Exclude<Recall["kind"], "adopted">, at: number): void;
}

/** All tables of one database. */
interface Tables {
  readonly rows: Row[];
  readonly byId: Map<string, Row>;
  readonly deleted: Set<string>;
  readonly unsynced: Set<string>;
  readonly submissions: Map<string, Submission>;
  readonly servers: Map<string, ServerRow>;
  readonly clients: Map<string, ClientRow>;
  readonly onInsert: (() => void)[];
  readonly onRecall: (() => void)[];
  recalls: (Recall & { readonly serverId: string })[];
  /** Commits that are acknowledged and not recorded, by server. */
  readonly lingering: Map<string, Commit[]>;
  lastRecall: number;
  nextLease: number;
}

/** Tells who holds the row. */
function recall(its: Tables, row: Row, kind: Recall["kind"]): void {
  if (row.serverId === null || row.ended !== null || !its.servers.has(row.serverId)) return;
  its.recalls.push({ number: ++its.lastRecall, id: row.task.id, kind, serverId: row.serverId });
  for (const wake of its.onRecall) wake();
}

function add({ rows, byId }: Tables, task: NewTask): Row {
  assert(!byId.has(task.id), `the id of task ${task.id} is new`);
  const row: Row = {
    task,
    serverId: null,
    scheduleTime: null,
    clientId: null,
    startTime: null,
    revertedAt: Number.NEGATIVE_INFINITY,
    ended: null,
    endedBy: null,
    nextId: null,
  };
  rows.push(row);
  byId.set(task.id, row);
  return row;
}

function addNext(its: Tables, row: Row, task: NewTask): Row {
  assert(task.previousId === row.task.id && task.attempt === row.task.attempt + 1, "attempts follow each other");
  assert(row.nextId === null, `task ${row.task.id} is followed by one attempt`);
  row.nextId = task.id;
  return add(its, task);
}

function wakeAll({ onInsert }: Tables): void {
  for (const wake of onInsert) wake();
}

function free(row: Row): void {
  row.serverId = null;
  row.scheduleTime = null;
  row.clientId = null;
  row.startTime = null;
}

function freeAll(its: Tables, matches: (row: Row) => boolean): number {
  const found = its.rows.filter((row) => row.ended === null && row.serverId !== null && matches(row));
  found.forEach(free);
  wakeAll(its);
  return found.length;
}

/** Whose rows a scope has. `gone`: servers whose reservations count no more. `aside`: submissions that are left out. */
function inScope(
  { servers }: Tables,
  scope: Scope,
  serverId: string | null,
  gone: readonly string[] = [],
  aside: readonly string[] = [],
): (row: Row) => boolean {
  if (scope.kind === "submission") return ({ task }) => task.submitId === scope.id;
  return ({ task }) => {
    if (aside.includes(task.submitId)) return false;
    const owner = servers.get(task.submitId);
    return owner === undefined || !owner.reserves || owner.id === serverId || gone.includes(owner.id);
  };
}

/** Failures that count, and whose they are. */
interface Setbacks {
  readonly rows: readonly Row[];
  readonly cwdOf: (row: Row) => string | null;
}

function setbacksFor(
  its: Tables,
  {
    scope,
    serverId,
    retries,
    aside = [],
  }: Pick<ClaimRequest, "scope" | "retries"> & {
    readonly serverId: string | null;
    readonly aside?: readonly string[];
  },
): Setbacks {
  const mine = inScope(its, scope, serverId, [], aside);
  return {
    rows: its.rows.filter(
      (row) => isFinalFailure(row) && !isTriedAgain(retries, row.task.attempt, row.ended!.exitStatus) && mine(row),
    ),
    cwdOf: (row) => its.submissions.get(row.task.submitId)?.cwd ?? null,
  };
}

/** The failures that hold the row back. */
function holders({ rows, cwdOf }: Setbacks, row: Row): readonly Row[] {
  const own = cwdOf(row);
  return rows.filter((other) => {
    const cwd = cwdOf(other);
    return other.task.group < row.task.group && (cwd === own || cwd === null || own === null);
  });
}

function describe(its: Tables, setbacks: Setbacks, held: readonly Row[]): HeldBack {
  const groups = new Map<string, number>();
  for (const { task } of held) groups.set(task.submitId, Math.min(task.group, groups.get(task.submitId) ?? task.group));
  const causes = new Map<string, Row[]>();
  for (const row of new Set(held.flatMap((one) => holders(setbacks, one)))) {
    const key = `${row.task.group} ${row.task.submitId}`;
    causes.set(key, [...(causes.get(key) ?? []), row]);
  }
  const told = [...causes.values()].map((some) => {
    const { submitId, group } = some[0]!.task;
    const submission = its.submissions.get(submitId);
    const origin = submission === undefined ? null : { cwd: submission.cwd, time: submission.time };
    return { submitId, origin, group, failed: some.length, example: some[0]!.task.id };
  });
  return {
    tasks: held.length,
    waiting: [...groups].map(([submitId, group]) => ({ submitId, group })).slice(0, mostTold),
    submissions: groups.size,
    setbacks: told.toSorted((one, other) => one.group - other.group).slice(0, mostTold),
    reasons: causes.size,
  };
}

function claim(its: Tables, request: ClaimRequest): Claim {
  const { scope, serverId, group, limit, eager, at, aside } = request;
  if (its.recalls.some((each) => each.serverId === serverId)) return { kind: "recalled" };
  const open = its.rows.filter((row) => row.ended === null).filter(inScope(its, scope, serverId, [], aside));
  const waiting = open.filter((row) => row.serverId === null);
  if (waiting.length === 0) return { kind: "none", unfinished: open.length };
  const setbacks = setbacksFor(its, request);
  const held = group === "any" ? [] : waiting.filter((row) => holders(setbacks, row).length > 0);
  const mayRun = waiting.filter((row) => !held.includes(row));
  const next = Math.min(...mayRun.map((row) => row.task.group));
  const busy = Math.min(...open.filter((row) => row.serverId !== null).map((row) => row.task.group));
  if (busy < next && group !== "any") {
    const unfinished = open.filter((row) => row.task.group === busy).length;
    return { kind: "waiting", busyGroup: busy, unfinished };
  }
  const heldBack = held.length === 0 ? null : describe(its, setbacks, held);
  if (mayRun.length === 0) return { kind: "heldBack", heldBack: heldBack! };
  if (typeof group === "number" && next > group)
    return { kind: "advance", to: next, heldBack: held.some((row) => row.task.group <= next) ? heldBack : null };
  let mine = mayRun.filter((row) => row.task.group === next);
  if (eager) mine = [...mine.filter((row) => row.task.attempt > 1), ...mine.filter((row) => row.task.attempt === 1)];
  const fitting = mine.filter(({ task }) => !isTooMuch(task, request.tooMuch));
  const tasks = fitting.slice(0, Math.max(0, limit)).map((row) => {
    row.serverId = serverId;
    row.scheduleTime = at;
    return { ...row.task, scheduleTime: at };
  });
  return { kind: "claimed", group: next, tasks };
}

/** Whether the outcome was taken. `away`: tasks whose runs count for nothing any more. */
function complete(its: Tables, completion: Completion, { serverId, at }: Commit, away: ReadonlySet<string>): boolean {
  const row = its.byId.get(completion.id);
  assert(row !== undefined || its.deleted.has(completion.id), "only tasks that exist are completed");
  if (row === undefined || row.ended !== null || away.has(completion.id)) return false;
  row.ended = completion;
  row.endedBy = serverId;
  row.serverId ??= serverId;
  row.scheduleTime ??= at;
  row.clientId = completion.clientId;
  if (completion.retry === null) return true;
  const next = addNext(its, row, completion.retry.task);
  if (!completion.retry.claimed) return true;
  next.serverId = serverId;
  next.scheduleTime = at;
  return true;
}

function commit(its: Tables, order: Commit): CommitReport {
  const { serverId, assigned, started, completed, reverted, recalled } = order;
  const { byId, deleted } = its;
  const away = new Set(
    its.recalls.flatMap((each) =>
      each.serverId === serverId && ["reverted", "deleted", "adopted"].includes(each.kind) ? [each.id] : [],
    ),
  );
  const refused = completed.filter((each) => !complete(its, each, order, away)).map(({ id }) => id);
  for (const { id } of completed) if (!refused.includes(id)) its.unsynced.add(id);
  for (const { id, clientId } of assigned) {
    const row = byId.get(id);
    assert(row !== undefined || deleted.has(id), "only tasks that exist are assigned");
    if (row !== undefined && row.ended === null && row.serverId === serverId) row.clientId = clientId;
  }
  for (const { id, startTime } of started) {
    const row = byId.get(id);
    assert(row !== undefined || deleted.has(id), "only tasks that exist are started");
    if (row === undefined || row.ended !== null || row.serverId !== serverId) continue;
    assert(startTime >= row.revertedAt, `the start of ${id} is not that of a run that was taken back`);
    row.startTime = startTime;
  }
  for (const id of reverted) {
    const row = byId.get(id);
    assert(row !== undefined || deleted.has(id), "only tasks that exist are given back");
    if (row !== undefined && row.ended === null && row.serverId === serverId) free(row);
  }
  its.recalls = its.recalls.filter(({ number }) => !recalled.includes(number));
  return { refused };
}

function recordLeft(its: Tables, id: string): number {
  const orders = its.lingering.get(id) ?? [];
  its.lingering.delete(id);
  let count = 0;
  for (const order of orders) {
    const completed = order.completed.filter((each) => its.byId.get(each.id)?.serverId === id);
    count += completed.length - commit(its, { ...order, completed }).refused.length;
  }
  return count;
}

function retryFailures(its: Tables, scope: Scope, retries: Retries, at: number, newId: () => string): number {
  const mine = inScope(its, scope, null);
  const again = its.rows.filter(
    (row) => isFinalFailure(row) && isTriedAgain(retries, row.task.attempt, row.ended!.exitStatus) && mine(row),
  );
  for (const row of again) {
    const { task } = row;
    addNext(its, row, nextAttempt({ task, exitStatus: row.ended!.exitStatus }, retries, at, newId()));
  }
  if (again.length > 0) wakeAll(its);
  return again.length;
}

function removeServer(its: Tables, id: string): void {
  its.servers.delete(id);
  its.recalls = its.recalls.filter(({ serverId }) => serverId !== id);
}

function adopt(its: Tables, request: AdoptRequest): readonly ClaimedTask[] {
  const { ids, finished, from, scope, serverId, clientId, at } = request;
  its.clients.set(clientId, { id: clientId, serverId, disconnectedAt: null, evicted: false });
  const mine = inScope(its, scope, serverId, from);
  const tasks: ClaimedTask[] = [];
  for (const id of new Set(ids)) {
    const row = its.byId.get(id);
    if (row === undefined || row.ended !== null || !mine(row)) continue;
    if (row.clientId !== null && row.clientId !== clientId) continue;
    const holder = row.serverId;
    const moves = (row.clientId === clientId || finished.includes(id)) && holder !== serverId;
    if (holder !== null && !from.includes(holder) && its.servers.has(holder) && !moves) continue;
    if (moves) recall(its, row, "adopted");
    its.recalls = its.recalls.filter((each) => each.serverId !== serverId || each.id !== id || each.kind !== "adopted");
    row.serverId = serverId;
    row.scheduleTime ??= at;
    row.clientId = clientId;
    tasks.push({ ...row.task, scheduleTime: row.scheduleTime });
  }
  return tasks;
}

function edit(its: Tables, row: Row, kind: Exclude<Recall["kind"], "adopted">, at: number): void {
  recall(its, row, kind);
  if (kind === "cancelled") {
    row.ended = cancellation(row.task.id, at);
    row.endedBy = "a person";
  } else if (kind === "reverted") {
    free(row);
    row.revertedAt = at;
  } else if (kind === "deleted") {
    its.deleted.add(row.task.id);
    its.byId.delete(row.task.id);
    its.rows.splice(its.rows.indexOf(row), 1);
  }
  wakeAll(its);
}

function newTables(): Tables {
  return {
    rows: [],
    byId: new Map(),
    deleted: new Set(),
    unsynced: new Set(),
    submissions: new Map(),
    servers: new Map(),
    clients: new Map(),
    onInsert: [],
    onRecall: [],
    recalls: [],
    lingering: new Map(),
    lastRecall: 0,
    nextLease: 1,
  };
}

/** `storeId`: its identity, a UUID. */
export function newModel(storeId: string): Model {
  const its = newTables();
  const { rows, byId, deleted, submissions, servers, clients } = its;
  return {
    rows,
    servers,
    clients,
    deleted,
    unsynced: its.unsynced,
    row: (id) => byId.get(id),
    addSubmission(submission) {
      if (!submissions.has(submission.id)) submissions.set(submission.id, submission);
    },
    submission: (id) => submissions.get(id) ?? null,
    insert(tasks) {
      for (const task of tasks) {
        add(its, task);
        its.unsynced.add(`new ${task.id}`);
      }
      wakeAll(its);
    },
    onInsert: (wake) => void its.onInsert.push(wake),
    addServer(server) {
      const firstLease = its.nextLease;
      its.nextLease += leaseCount(server);
      servers.set(server.id, { ...server, firstLease });
      return { storeId, firstLease };
    },
    unreserve(id) {
      const server = servers.get(id);
      if (server !== undefined) servers.set(id, { ...server, reserves: false });
    },
    beatServer(id, at) {
      const server = servers.get(id);
      if (server !== undefined) servers.set(id, { ...server, beatAt: at });
      return server !== undefined;
    },
    endServer: (id) => removeServer(its, id),
    handedOut: (id) => rows.filter((row) => row.ended === null && row.serverId === id && row.clientId !== null).length,
    linger(order) {
      its.lingering.set(order.serverId, [...(its.lingering.get(order.serverId) ?? []), order]);
    },
    isLingering: (id) =>
      [...its.lingering.values()].flat().some(({ completed }) => completed.some((each) => each.id === id)),
    recordLeft: (id) => recordLeft(its, id),
    buryServer(id) {
      recordLeft(its, id);
      removeServer(its, id);
      return freeAll(its, (row) => row.serverId === id);
    },
    revertOrphans: () => freeAll(its, (row) => !servers.has(row.serverId!)),
    claim: (request) => claim(its, request),
    commit: (order) => commit(its, order),
    retryFailures: (scope, retries, at, newId) => retryFailures(its, scope, retries, at, newId),
    sources(scope) {
      const open = rows.filter((row) => row.ended === null).filter(inScope(its, scope, null));
      return [{ cwd: "/", host: "host", submissions: 1, example: "", unfinished: open.length, first: 0, last: 0 }];
    },
    survey(scope) {
      return { unfinished: rows.filter(inScope(its, scope, null)).filter((row) => row.ended === null).length };
    },
    unended: (ids) => ids.filter((id) => rows.some((row) => row.task.id === id && row.ended === null)),
    backlog(scope) {
      const groups = rows.filter((row) => row.ended === null).filter(inScope(its, scope, null));
      const group = groups.length === 0 ? null : Math.min(...groups.map((row) => row.task.group));
      const inGroup = groups.filter((row) => row.task.group === group).length;
      return { group, inGroup, unfinished: groups.length };
    },
    total: (scope) => rows.filter(inScope(its, scope, null)).length,
    before(task, serverId, retries) {
      const reserves = servers.get(serverId)?.reserves === true;
      const scope: Scope = reserves ? { kind: "submission", id: serverId } : { kind: "all" };
      const setbacks = setbacksFor(its, { scope, retries, serverId });
      return rows
        .filter((row) => row.ended === null && row.task.group < task.group)
        .filter(inScope(its, scope, serverId))
        .filter((row) => row.serverId !== null || holders(setbacks, row).length === 0);
    },
    isHeldBack: (row, scope, retries) => holders(setbacksFor(its, { scope, retries, serverId: null }), row).length > 0,
    addClient: ({ id, serverId }) => void clients.set(id, { id, serverId, disconnectedAt: null, evicted: false }),
    endClient(id, serverId, at, evicted) {
      const client = clients.get(id);
      if (client?.serverId === serverId) clients.set(id, { ...client, disconnectedAt: at, evicted });
    },
    forgetClient(id, serverId) {
      if (clients.get(id)?.serverId === serverId) clients.delete(id);
    },
    clientsOf: (serverId) =>
      [...clients.values()]
        .filter((client) => client.serverId === serverId && client.disconnectedAt === null)
        .map(({ id }) => id),
    adopt: (request) => adopt(its, request),
    onRecall: (wake) => void its.onRecall.push(wake),
    recalls: (serverId) => its.recalls.filter((each) => each.serverId === serverId),
    edit: (row, kind, at) => edit(its, row, kind, at),
  };
}

function cancellation(id: string, at: number): Completion {
  return {
    id,
    clientId: "",
    clientHost: "",
    command: null,
    startTime: null,
    completionTime: at,
    exitStatus: sentinel.cancelled,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
    waited: null,
    duration: null,
    retry: null,
  };
}

/** It failed, and nobody has tried it again so far. */
export function isFinalFailure(row: Row): boolean {
  return row.ended !== null && row.nextId === null && isFailure(row.ended.exitStatus);
}
