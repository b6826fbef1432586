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
  Scope,
  ServerRow,
} from "../../src/store/store.ts";
import { type ClaimedTask, isFailure, type NewTask, type Submission } from "../../src/task/task.ts";

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
  addSubmission(submission: Submission): void;
  submission(id: string): Submission | null;
  insert(tasks: readonly NewTask[]): void;
  onInsert(wake: () => void): void;
  addServer(server: ServerRow): void;
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
  endClient(id: string, at: number, evicted: boolean): void;
  clientsOf(serverId: string): readonly string[];
  adopt(request: AdoptRequest): readonly ClaimedTask[];
}

export function model(): Model {
  const rows: Row[] = [];
  const byId = new Map<string, Row>();
  const submissions = new Map<string, Submission>();
  const servers = new Map<string, ServerRow>();
  const clients = new Map<string, ClientRow>();
  const listeners: (() => void)[] = [];

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
    addServer: (server) => void servers.set(server.id, server),
    beatServer(id, at) {
      const server = servers.get(id);
      if (server !== undefined) servers.set(id, { ...server, beatAt: at });
    },
    endServer: (id) => void servers.delete(id),
    buryServer(id) {
      servers.delete(id);
      return freeAll((row) => row.serverId === id);
    },
    revertOrphans: () => freeAll((row) => !servers.has(row.serverId!)),
    claim(request) {
      const { scope, serverId, group, limit, eager, at } = request;
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
    commit({ serverId, at, assigned, completed, reverted }) {
      const refused: string[] = [];
      for (const completion of completed) {
        const row = byId.get(completion.id);
        assert(row !== undefined, "only tasks that exist are completed");
        if (row.ended !== null) {
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
        assert(row !== undefined, "only tasks that exist are assigned");
        if (row.ended === null && row.serverId === serverId) row.clientId = clientId;
      }
      for (const id of reverted) {
        const row = byId.get(id);
        assert(row !== undefined, "only tasks that exist are given back");
        if (row.ended === null && row.serverId === serverId) free(row);
      }
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
    endClient(id, at, evicted) {
      const client = clients.get(id);
      if (client !== undefined) clients.set(id, { ...client, disconnectedAt: at, evicted });
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
        row.serverId = serverId;
        row.scheduleTime ??= at;
        row.clientId = clientId;
        tasks.push({ ...row.task, scheduleTime: row.scheduleTime });
      }
      return tasks;
    },
  };
}

/** It failed, and nobody has tried it again so far. */
export function isFinalFailure(row: Row): boolean {
  return row.ended !== null && row.nextId === null && isFailure(row.ended.exitStatus);
}
