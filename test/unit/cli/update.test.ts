import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { UserError } from "../../../src/base/errors.ts";
import type { Parsed } from "../../../src/args/spec.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command, update } from "../../../src/cli/update.ts";
import type { Change, Selection } from "../../../src/history/history.ts";
import { makeLog } from "../../make.ts";
import { fakeRecords } from "./ports.ts";

interface Told {
  readonly status: number;
  readonly out: string;
  readonly log: readonly string[];
  readonly changes: readonly { readonly selection: Selection; readonly change: Change }[];
}

const id = "cd20208b-069b-45ae-9e4e-3f79f57bde6d";

async function tell(
  words: readonly string[],
  answer: string | null = null,
  count = 3,
  held = 0,
  archived = false,
  { fails = null, interrupts = false }: { fails?: UserError | null; interrupts?: boolean } = {},
): Promise<Told> {
  const log: string[] = [];
  const changes: { selection: Selection; change: Change }[] = [];
  let out = "";
  const nothing = (): void => undefined;
  let interrupt = nothing;
  const status = await update(parseFlags(command.spec, words) as Parsed, {
    open: async () => ({
      ...fakeRecords([]),
      title: "sqlite (/x/main.db)",
      count: async ({ limit }) => Math.min(count, limit ?? count),
      change: async (selection, change, _at, progress) => {
        changes.push({ selection, change });
        progress?.(1);
        if (fails !== null) throw fails;
        if (interrupts) {
          interrupt();
          await new Promise<never>(() => undefined);
        }
        return { changed: Math.min(count, selection.limit ?? count), held };
      },
    }),
    isArchived: async () => archived,
    prompt: { write: (text) => void (out += text), readLine: async () => answer, echoes: true },
    log: makeLog(
      (level, text) => log.push(`${level} ${text}`),
      (level) => level === "INFO" || level === "WARNING",
    ),
    clock: systemClock,
    watching: (_look, work) => work(),
    onInterrupt(interrupted) {
      interrupt = interrupted;
      return nothing;
    },
    sayInterrupted: () => void log.push("CRITICAL interrupted"),
  }).catch((error: unknown) => {
    if (error !== fails) throw error;
    return 5;
  });
  return { status, out, log, changes };
}

async function refusal(words: readonly string[]): Promise<string> {
  try {
    await tell(words, "yes");
  } catch (error) {
    if (error instanceof UserError && error.status === 2) return error.message;
    throw error;
  }
  return "";
}

describe("hs update", () => {
  test("does everything that is named, to what is selected, after a yes", async () => {
    const told = await tell(["x:1", "args=zz", "--remove-tag", "y", "z", "-l", "1", "-w", "exit_status != 0"], "yes");
    expect(told).toMatchObject({ status: 0, out: "Update 1 task? yes/[no]: " });
    expect(told.log).toEqual(["INFO Searching database: sqlite (/x/main.db)", "INFO Updated 1 task"]);
    const { selection, change } = told.changes[0]!;
    expect([...change.fields]).toEqual([["args", "zz"]]);
    expect({ ...change.tags }).toEqual({ x: 1 });
    expect([change.removedTags, change.action, selection.limit, selection.where.length]).toEqual([
      ["y", "z"],
      null,
      1,
      1,
    ]);
  });

  test("anything but yes leaves everything as it is, with status 0", async () => {
    for (const [answer, line] of [
      ["no", "Stopping\n"],
      ["", "Stopping\n"],
      ["maybe", "Stopping (neither yes nor no: 'maybe')\n"],
    ] as const) {
      const told = await tell(["--delete"], answer);
      expect([told.status, told.out, told.changes]).toEqual([0, `Delete 3 tasks? yes/[no]: ${line}`, []]);
    }
    expect((await tell(["--delete"], null)).changes).toEqual([]);
  });

  test("asks nothing with --no-confirm, nor when nothing is affected", async () => {
    expect(await tell(["--revert", "-f"])).toMatchObject({ out: "", changes: [{ change: { action: "revert" } }] });
    const none = await tell(["--revert"], null, 0);
    expect([none.out, none.changes, none.log.at(-1)]).toEqual(["", [], "INFO Update affects 0 tasks - stopping"]);
  });

  test("cancels only what has not ended, and tells how many of it were scheduled", async () => {
    const told = await tell(["--cancel", "-f"], null, 3, 2);
    expect(told.changes[0]!.selection.where).toEqual([
      { kind: "field", field: "exit_status", operator: "==", value: null },
    ]);
    expect(told.log.slice(1)).toEqual(["WARNING 2 cancelled tasks already scheduled", "INFO Updated 3 tasks"]);
  });

  test("what a run writes is changed only where the task has ended", async () => {
    const ended = { kind: "field", field: "exit_status", operator: "!=", value: null } as const;
    for (const word of ["exit_status=0", "started=2026-01-01", "client_host=x", "duration=5"])
      expect((await tell([word, "-f"])).changes[0]!.selection.where).toEqual([ended]);
    for (const word of ["args=x", "submit_time=2026-01-01", "x:1"])
      expect((await tell([word, "-f"])).changes[0]!.selection.where).toEqual([]);
    expect((await tell(["exit_status=0", "-f"], null, 0)).log.at(-1)).toBe(
      "INFO Update affects 0 tasks - stopping (exit_status can be changed only where a task has ended)",
    );
    const one = await tell([id, "exit_status", "0"]);
    expect(one.changes[0]!.selection.where).toEqual([{ kind: "field", field: "id", operator: "==", value: id }, ended]);
  });

  test("in its old form changes one task without a word", async () => {
    const told = await tell([id.toUpperCase(), "tag", "site:c"]);
    expect([told.status, told.out, told.log]).toEqual([0, "", []]);
    expect(told.changes[0]!.selection.where).toEqual([{ kind: "field", field: "id", operator: "==", value: id }]);
    expect({ ...told.changes[0]!.change.tags }).toEqual({ site: "c" });
    const field = await tell([id, "memory", "1GB"]);
    expect([...field.changes[0]!.change.fields]).toEqual([["memory", 2 ** 30]]);
    const text = await tell([id, "args", "==x: ~y"]);
    expect([...text.changes[0]!.change.fields]).toEqual([["args", "==x: ~y"]]);
    const thrown = await tell([id, "args", "x"], null, 0).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ status: 5, message: `No task with id=${id}` });
  });

  test("what ends half-way says how far it came", async () => {
    const left = "WARNING Updated 1 of 3 tasks before that - the others are as they were";
    const interrupted = await tell(["x:1", "-f"], null, 3, 0, false, { interrupts: true });
    expect(interrupted).toMatchObject({ status: 4, log: [expect.any(String), left, "CRITICAL interrupted"] });
    const failed = await tell(["x:1", "-f"], null, 3, 0, false, { fails: new UserError(5, "task", "no space left") });
    expect(failed).toMatchObject({ status: 5, log: [expect.any(String), left] });
  });

  test("a task that was moved to a partition is said to be there", async () => {
    const told = await tell(["x:1", "-w", `id == ${id}`], null, 0, 0, true);
    expect([told.status, told.changes]).toEqual([0, []]);
    expect(told.log[1]).toStartWith(`WARNING Task (${id}) was moved to a partition`);
    const thrown = await tell([id, "args", "x"], null, 0, 0, true).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ status: 5, message: expect.stringContaining("moved to a partition") });
    expect((await tell(["x:1", "-w", "args == 1"], null, 0, 0, true)).log).toHaveLength(2);
  });

  test("what makes no sense is refused before anything is opened", async () => {
    for (const [words, part] of [
      [["-f"], "nothing to do"],
      [["x:1", "--desc"], "--order-by"],
      [["exit_status=0", "--revert"], "argument --revert: not allowed with exit_status="],
      [["x:1", "-s", "id"], "--limit"],
      [["exit_status==0"], "condition"],
      [["word"], "is not a change"],
      [["tag=x"], "KEY:VALUE"],
      [["a/b:1"], "bad tag"],
      [[id, "id", "5"], "cannot be changed"],
      [[id, "size", "5"], "no field 'size'"],
      [[id, "tag", "=x"], "is not a tag"],
      [["-w", "args == 1", "x:1"], "filters"],
    ] as const)
      expect(await refusal(words)).toContain(part);
  });
});
