/*
 * The printer of a run, between those who know of it: the executor of a client in this process hands over what tasks
 * print, the store tells which tasks are to come, and the run ends when all is printed.
 */
import type { Clock } from "../base/clock.ts";
import { lineText } from "../base/wordlist.ts";
import type { Sink } from "../client/sink.ts";
import type { Logger } from "../log/logger.ts";
import { newPrinter, type Printer, type PrintMode } from "../output/printer.ts";
import { spoolFolder } from "../output/spool.ts";
import type { Scope, Store } from "../store/store.ts";

/** What users wish for the output of tasks. */
export interface Printing {
  /** Whether the run takes any free task: `ordered` is the order in which it does. */
  readonly takesAny: boolean;
  readonly mode: PrintMode;
  /** Whether the input and a tab stand before each line. */
  readonly tagged: boolean;
}

/** What a run is told of printing. */
export interface PrintingOptions {
  /** How the output of tasks is printed; absent or null: it is not. */
  readonly printing?: Printing | null;
  /** What prints it; absent: the run makes it. */
  readonly printer?: Printer | null;
}

/** The printer of a run; null: it has none. */
export function printerOf(
  { printing = null, printer }: PrintingOptions,
  clock: Clock,
  log: Pick<Logger, "warning">,
): Printer | null {
  if (printer !== undefined) return printer;
  return printing === null ? null : newPrinter({ ...printing, folder: spoolFolder(), clock, log });
}

/**
 * Resolves when all is printed. `patience` is asked again and again for how long, milliseconds, a reader who takes
 * nothing is waited for in all.
 */
export async function allPrinted(printer: Printer | null, clock: Clock, patience: () => number): Promise<void> {
  if (printer === null) return;
  const since = clock.now();
  let isOver = false;
  function look(): void {
    if (isOver) return;
    if (clock.now() - since >= patience()) printer!.giveUp();
    else clock.after(againMs, look);
  }
  look();
  await printer.finish();
  isOver = true;
}

/** The pause between two looks whether a reader is still to be waited for, milliseconds. */
const againMs = 100;

/** The way from a client in this process to the printer; null: there is none. */
export function sinkOf(printer: Printer | null): Sink | null {
  if (printer === null) return null;
  return {
    unit: printer.mode === "line" ? "lines" : "tasks",
    opened: printer.printTo,
    openFile: printer.openFile,
    take: printer.take,
    add: (task, stream, from, bytes) => printer.add(task, stream, from, bytes, lineText(task.args)),
    isFull: printer.isFull,
    whenRoom: printer.whenRoom,
  };
}

/** A store some of whose methods are others. */
function storeWith(store: Store, own: Partial<Store>): Store {
  return new Proxy(store, {
    get(_, name: keyof Store) {
      const value: unknown = own[name] ?? store[name];
      return typeof value === "function" ? value.bind(store) : value;
    },
  });
}

/** The store for whoever feeds a run its own input: the printer learns what is to come, in that order. */
export function tellingInput(store: Store, printer: Printer | null, scope: Scope): Store {
  if (printer?.mode !== "ordered" || scope.kind === "all") return store;
  const told = new WeakSet<object>();
  return storeWith(store, {
    insert(tasks) {
      // A store in trouble is given the same tasks again.
      if (!told.has(tasks)) printer.expect(tasks.map(({ id }) => id));
      told.add(tasks);
      return store.insert(tasks);
    },
  });
}

/**
 * The store for the server of a run that takes any free task: what is printed in order is what the server takes, in
 * that order.
 */
export function tellingClaims(store: Store, printer: Printer | null, scope: Scope): Store {
  if (printer?.mode !== "ordered" || scope.kind === "submission") return store;
  const expect = (tasks: readonly { readonly id: string; readonly previousId: string | null }[]): void => {
    // An attempt that follows another of this run has the place of that, and a task that was given back has its own.
    const fresh = tasks.filter(({ id, previousId }) => !printer.awaits(id) && !printer.awaits(previousId));
    if (fresh.length > 0) printer.expect(fresh.map(({ id }) => id));
  };
  return storeWith(store, {
    async claim(request) {
      const claim = await store.claim(request);
      if (claim.kind === "claimed") expect(claim.tasks);
      return claim;
    },
    async adopt(request) {
      const tasks = await store.adopt(request);
      expect(tasks);
      return tasks;
    },
  });
}

/** The pause between two looks at what is waited for, milliseconds, and how many tasks are asked for at once. */
const lookMs = 1000;
const askedAtOnce = 1000;

/**
 * Has the printer wait for no task that has ended without a word to this run, as one that somebody has cancelled.
 * Answers a function that ends the looks.
 */
export function watchAwaited(store: Store, printer: Printer | null, clock: Clock): () => void {
  if (printer?.mode !== "ordered") return () => undefined;
  let isOver = false;
  let before = "";
  async function look(): Promise<void> {
    const ids = printer!.awaited(askedAtOnce);
    const [first = ""] = ids;
    const isStuck = first !== "" && first === before;
    before = first;
    if (!isStuck) return;
    const open = new Set(await store.unended(ids));
    for (const id of ids) if (!open.has(id)) printer!.skip(id);
  }
  function later(): void {
    clock.after(lookMs, () => {
      // A store in trouble is asked again; whoever works with it tells of that.
      if (!isOver) look().then(later, later);
    });
  }
  later();
  return () => {
    isOver = true;
  };
}
