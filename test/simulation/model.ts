/*
 * The database of the simulation: the contract of src/store/store.ts in its plainest form, a list of rows, each call at once and for good.
 * What an honest store refuses silently is refused here too; what no server may ask is blamed.
 */
import { assert } from "../../src/base/assert.ts";
import type {
  AdoptRequest,
  Claim,
  ClaimRequest,
  Commit,
  CommitReport,
  Completion,
  Recall,
  Scope,
  ServerRow,
} from "../../src/store/store.ts";
import { type ClaimedTask, isFailure, type NewTask, sentinel, type Submission } from "../../src/task/task.ts";

export interface Row {
  readonly task: NewTask;
  /** Who holds it, or held it when it ended; null: it waits. */
  serverId: string | null;
  scheduleTime: number | null;
  /** Who is on record as its runner. */
  clientId: string | null;
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
  onInsert(wake: () => void): void;
  addServer(server: ServerRow): number;
  unreserve(id: string): void;
  beatServer(id: string, at: number): void;
  endServer(id: string): void;
  buryServer(id: string): number;
  revertOrphans(): number;
  claim(request: ClaimRequest): Claim;
  commit(order: Commit): CommitReport;
  retryFailures(scope: Scope, attempts: number, at: number, newId: () => string): number;
  survey(scope: Scope): { readonly unfinished: number };
  total(scope: Scope): number;
  activeGroup(): { readonly group: number; readonly reason: string };
  addClient(client: { readonly id: string; readonly serverId: string }): void;
  endClient(id: string, serverId: string, at: number, evicted: boolean): void;
  clientsOf(serverId: string): readonly string[];
  adopt(request: AdoptRequest): readonly ClaimedTask[];
  onRecall(wake: () => void): void;
  recalls(serverId: string): readonly Recall[];
  /** As a person does it. */
  edit(row: Row, kind: Exclude<Recall["kind"], "adopted">, at: number): void;
}

export function model(): Model {
  const rows: Row[] = [];
  const byId = new Map<string, Row>();
  const deleted = new Set<string>();
  const submissions = new Map<string, Submission>();
  const servers = new Map<string, ServerRow>();
  const clients = new Map<string, ClientRow>();
  const listeners: (() => void)[] = [];
  const recallListeners: (() => void)[] = [];
  let recalls: (Recall & { readonly serverId: string })[] = [];
  let lastRecall = 0;

  /** Tells who holds the row. */
  function recall(row: Row, kind: Recall["kind"]): void {
    if (row.serverId === null || row.ended !== null || !servers.has(row.serverId)) return;
    recalls.push({ number: ++lastRecall, id: row.task.id, kind, serverId: row.serverId });
    for (const wake of recallListeners) wake();
  }

  const isRecalled = (serverId: string): boolean => recalls.some((each) => each.serverId === serverId);

  function add(task: NewTask): Row {
    assert(!byId.has(task.id), `the id of task ${task.id} is new`);
    const row: Row = {
      task,
      serverId: null,
      scheduleTime: null,
      clientId: null,
      ended: null,
      endedBy: null,
      nextId: null,
    };
    rows.push(row);
    byId.set(task.id, row);
    return row;
  }

  function wakeAll(): void {
    for (const wake of listeners) wake();
  }

  function free(row: Row): void {
    row.serverId = null;
    row.scheduleTime = null;
    row.clientId = null;
  }

  function freeAll(matches: (row: Row) => boolean): number {
    const found = rows.filter((row) => row.ended === null && row.serverId !== null && matches(row));
    found.forEach(free);
    wakeAll();
    return found.length;
  }

  /** Whose rows a scope has. `gone`: servers whose reservations count no more. */
  function inScope(scope: Scope, serverId: string | null, gone: readonly string[] = []): (row: Row) => boolean {
    if (scope.kind === "submission") return ({ task }) => task.submitId === scope.id;
    return ({ task }) => {
      const owner = servers.get(task.submitId);
      return owner === undefined || !owner.reserves || owner.id === serverId || gone.includes(owner.id);
    };
  }

  function addNext(row: Row, task: NewTask): Row {
    assert(task.previousId === row.task.id && task.attempt === row.task.attempt + 1, "attempts follow each other");
    assert(row.nextId === null, `task ${row.task.id} is followed by one attempt`);
    row.nextId = task.id;
    return add(task);
  }

  function failuresIn(group: number, request: ClaimRequest): { failed: number; example: string | null } {
    const mine = inScope(request.scope, request.serverId);
    const failed = rows.filter(
      (row) => row.task.group === group && isFinalFailure(row) && row.task.attempt >= request.attempts && mine(row),
    );
    return { failed: failed.length, example: failed[0]?.task.id ?? null };
  }

  return {
    rows,
    servers,
    clients,
    deleted,
    row: (id) => byId.get(id),
    addSubmission(submission) {
      if (!submissions.has(submission.id)) submissions.set(submission.id, submission);
    },
    submission: (id) => submissions.get(id) ?? null,
    insert(tasks) {
      tasks.forEach(add);
      wakeAll();
    },
    onInsert: (wake) => void listeners.push(wake),
    addServer(server) {
      servers.set(server.id, server);
      return server.startedAt;
    },
    unreserve(id) {
      const server = servers.get(id);
      if (server !== undefined) servers.set(id, { ...server, reserves: false });
    },
    beatServer(id, at) {
      const server = servers.get(id);
      if (server !== undefined) servers.set(id, { ...server, beatAt: at });
    },
    endServer(id) {
      servers.delete(id);
      recalls = recalls.filter(({ serverId }) => serverId !== id);
    },
    buryServer(id) {
      servers.delete(id);
      recalls = recalls.filter(({ serverId }) => serverId !== id);
      return freeAll((row) => row.serverId === id);
    },
    revertOrphans: () => freeAll((row) => !servers.has(row.serverId!)),
    claim(request) {
      const { scope, serverId, group, limit, eager, at } = request;
      if (isRecalled(serverId)) return { kind: "recalled" };
      const open = rows.filter((row) => row.ended === null).filter(inScope(scope, serverId));
      const waiting = open.filter((row) => row.serverId === null);
      if (waiting.length === 0) return { kind: "none", unfinished: open.length };
      const next = Math.min(...waiting.map((row) => row.task.group));
      const busy = Math.min(...open.map((row) => row.task.group));
      if ((group === null || next > group) && busy < next) {
        const unfinished = open.filter((row) => row.task.group === busy).length;
        return { kind: "waiting", busyGroup: busy, unfinished };
      }
      if (group !== null && next > group) return { kind: "advance", to: next, ...failuresIn(group, request) };
      let mine = waiting.filter((row) => row.task.group === next);
      if (eager)
        mine = [...mine.filter((row) => row.task.attempt > 1), ...mine.filter((row) => row.task.attempt === 1)];
      const tasks = mine.slice(0, Math.max(0, limit)).map((row) => {
        row.serverId = serverId;
        row.scheduleTime = at;
        return { ...row.task, scheduleTime: at };
      });
      return { kind: "claimed", group: next, tasks };
    },
    commit({ serverId, at, assigned, completed, reverted, recalled }) {
      const refused: string[] = [];
      const away = new Set(
        recalls.flatMap((each) =>
          each.serverId === serverId && ["reverted", "deleted", "adopted"].includes(each.kind) ? [each.id] : [],
        ),
      );
      for (const completion of completed) {
        const row = byId.get(completion.id);
        assert(row !== undefined || deleted.has(completion.id), "only tasks that exist are completed");
        if (row === undefined || row.ended !== null || away.has(completion.id)) {
          refused.push(completion.id);
          continue;
        }
        row.ended = completion;
        row.endedBy = serverId;
        row.serverId ??= serverId;
        row.scheduleTime ??= at;
        row.clientId = completion.clientId;
        if (completion.retry === null) continue;
        const next = addNext(row, completion.retry.task);
        if (!completion.retry.claimed) continue;
        next.serverId = serverId;
        next.scheduleTime = at;
      }
      for (const { id, clientId } of assigned) {
        const row = byId.get(id);
        assert(row !== undefined || deleted.has(id), "only tasks that exist are assigned");
        if (row !== undefined && row.ended === null && row.serverId === serverId) row.clientId = clientId;
      }
      for (const id of reverted) {
        const row = byId.get(id);
        assert(row !== undefined || deleted.has(id), "only tasks that exist are given back");
        if (row !== undefined && row.ended === null && row.serverId === serverId) free(row);
      }
      recalls = recalls.filter(({ number }) => !recalled.includes(number));
      return { refused };
    },
    retryFailures(scope, attempts, at, newId) {
      const mine = inScope(scope, null);
      const again = rows.filter((row) => isFinalFailure(row) && row.task.attempt < attempts && mine(row));
      for (const row of again) {
        const { task } = row;
        addNext(row, { ...task, id: newId(), submitTime: at, attempt: task.attempt + 1, previousId: task.id });
      }
      if (again.length > 0) wakeAll();
      return again.length;
    },
    survey(scope) {
      return { unfinished: rows.filter(inScope(scope, null)).filter((row) => row.ended === null).length };
    },
    total: (scope) => rows.filter(inScope(scope, null)).length,
    activeGroup() {
      if (rows.length === 0) return { group: 0, reason: "no tasks" };
      let latest: Row | null = null;
      for (const row of rows) {
        if (row.scheduleTime !== null && (latest === null || row.scheduleTime > latest.scheduleTime!)) latest = row;
      }
      if (latest !== null) return { group: latest.task.group, reason: "scheduled last" };
      return { group: Math.min(...rows.map((row) => row.task.group)), reason: "lowest" };
    },
    addClient: ({ id, serverId }) => void clients.set(id, { id, serverId, disconnectedAt: null, evicted: false }),
    endClient(id, serverId, at, evicted) {
      const client = clients.get(id);
      if (client?.serverId === serverId) clients.set(id, { ...client, disconnectedAt: at, evicted });
    },
    clientsOf: (serverId) =>
      [...clients.values()]
        .filter((client) => client.serverId === serverId && client.disconnectedAt === null)
        .map(({ id }) => id),
    adopt({ ids, finished, from, scope, serverId, clientId, at }) {
      clients.set(clientId, { id: clientId, serverId, disconnectedAt: null, evicted: false });
      const mine = inScope(scope, serverId, from);
      const tasks: ClaimedTask[] = [];
      for (const id of new Set(ids)) {
        const row = byId.get(id);
        if (row === undefined || row.ended !== null || !mine(row)) continue;
        const holder = row.serverId;
        const moves = (row.clientId === clientId || finished.includes(id)) && holder !== serverId;
        if (holder !== null && !from.includes(holder) && servers.has(holder) && !moves) continue;
        if (moves) recall(row, "adopted");
        recalls = recalls.filter((each) => each.serverId !== serverId || each.id !== id || each.kind !== "adopted");
        row.serverId = serverId;
        row.scheduleTime ??= at;
        row.clientId = clientId;
        tasks.push({ ...row.task, scheduleTime: row.scheduleTime });
      }
      return tasks;
    },
    onRecall: (wake) => void recallListeners.push(wake),
    recalls: (serverId) => recalls.filter((each) => each.serverId === serverId),
    edit(row, kind, at) {
      recall(row, kind);
      if (kind === "cancelled") {
        row.ended = cancellation(row.task.id, at);
        row.endedBy = "a person";
      } else if (kind === "reverted") {
        free(row);
      } else if (kind === "deleted") {
        deleted.add(row.task.id);
        byId.delete(row.task.id);
        rows.splice(rows.indexOf(row), 1);
      }
      wakeAll();
    },
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
