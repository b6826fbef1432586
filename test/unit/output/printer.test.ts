import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import {
  newPrinter,
  type Printer,
  type PrinterOptions,
  type Stream,
  type TaskRun,
} from "../../../src/output/printer.ts";

interface Place extends AsyncDisposable {
  readonly printer: Printer;
  readonly warnings: string[];
  /** Finishes, and answers what was printed. */
  printed(): Promise<readonly [stdout: string, stderr: string]>;
}

function place(options: Partial<PrinterOptions> & Pick<PrinterOptions, "mode">): Place {
  const folder = mkdtempSync(join(tmpdir(), "hs-print-"));
  const files = ["out", "err"].map((name) => openSync(join(folder, name), "a"));
  const warnings: string[] = [];
  const printer = newPrinter({
    tagged: false,
    takesAny: false,
    folder,
    clock: systemClock,
    log: { warning: (text) => void warnings.push(typeof text === "string" ? text : text()) },
    ...options,
  });
  printer.printTo(files[0]!, files[1]!);
  return {
    printer,
    warnings,
    async printed() {
      await printer.finish();
      return [readFileSync(join(folder, "out"), "utf8"), readFileSync(join(folder, "err"), "utf8")];
    },
    async [Symbol.asyncDispose]() {
      for (const file of files) closeSync(file);
      rmSync(folder, { recursive: true });
    },
  };
}

const run = (id = newId(), lease = 1) => ({ id, lease });

function says(printer: Printer, task: TaskRun, text: string, from = 0, stream: Stream = "stdout"): void {
  printer.add(task, stream, from, Buffer.from(text), "the input");
}

describe("whole tasks", () => {
  test("whatever comes when, and comes twice, ordered is what one after the other prints", async () => {
    const tasks = fc.array(fc.array(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(tasks, fc.infiniteStream(fc.nat()), async (pieces, chances) => {
        await using its = place({ mode: "ordered" });
        const { printer } = its;
        const runs = pieces.map(() => run());
        printer.expect(runs.map(({ id }) => id));
        const chance = (below: number): number => (chances.next().value as number) % below;
        const open = pieces.map((all, nth) => ({ all, nth, done: 0, size: 0 }));
        while (open.length > 0) {
          const at = chance(open.length);
          const one = open[at]!;
          const task = runs[one.nth]!;
          if (chance(8) === 0) {
            // Its client was lost, and begins anew.
            printer.restart((id) => id === task.id);
            one.done = one.size = 0;
          }
          if (one.done < one.all.length) {
            const text = one.all[one.done]!;
            says(printer, task, text, one.size);
            if (chance(3) === 0) says(printer, task, text, one.size);
            one.size += Buffer.byteLength(text);
            one.done++;
          } else {
            printer.seal(task);
            if (one.size > 0) says(printer, task, "too late", one.size);
            printer.recorded(task, "", null);
            open.splice(at, 1);
          }
        }
        expect((await its.printed())[0]).toBe(pieces.flat().join(""));
      }),
      { numRuns: 25 },
    );
  });

  test("a task is printed when it is recorded, each stream where it belongs, and never if it is not", async () => {
    await using its = place({ mode: "group" });
    const { printer } = its;
    const [a, b, c, d] = [run(), run(), run(), run()];
    says(printer, a, "a1\n");
    says(printer, b, "b1\n");
    says(printer, a, "a2", 3);
    says(printer, c, "c1\n");
    says(printer, d, "d1\n");
    says(printer, b, "error\n", 0, "stderr");
    printer.recorded(b, "", null);
    printer.recorded(a, "", null);
    printer.forget(c);
    printer.forget(a);
    expect(await its.printed()).toEqual(["b1\na1\na2", "error\n"]);
  });

  test("of a task that is tried again, group has every attempt, and ordered has the last", async () => {
    for (const [mode, text] of [["group", "one\ntwo\n"] as const, ["ordered", "two\n"] as const]) {
      await using its = place({ mode });
      const { printer } = its;
      const [first, second] = [run(), run()];
      printer.expect([first.id]);
      says(printer, first, "one\n");
      printer.recorded(first, "", second.id);
      says(printer, second, "two\n");
      printer.recorded(second, "", null);
      expect((await its.printed())[0]).toBe(text);
    }
  });

  test("files of tasks are printed and closed", async () => {
    await using its = place({ mode: "group" });
    const { printer } = its;
    const [stdout, stderr] = [printer.openFile(), printer.openFile()];
    const much = "line\n".repeat(100_000);
    writeSync(stdout, much);
    const task = run();
    printer.take(task, stdout, stderr);
    printer.recorded(task, "", null);
    expect((await its.printed())[0]).toBe(much);
  });

  test("a tag stands before each line, and what it has of control characters is escaped", async () => {
    await using its = place({ mode: "group", tagged: true });
    const { printer } = its;
    const [a, b] = [run(), run()];
    says(printer, a, "1\n\n3");
    printer.recorded(a, "x\u001b[2J y", null);
    says(printer, b, `${"z".repeat(300_000)}\nend\n`);
    printer.recorded(b, "b", null);
    const [out] = await its.printed();
    expect(out).toBe(`x\\x1b[2J y\t1\nx\\x1b[2J y\t\nx\\x1b[2J y\t3\nb\t${"z".repeat(300_000)}\nb\tend\n`);
  });
});

describe("lines", () => {
  test("are whole, however they come, and the last one gets an end", async () => {
    await using its = place({ mode: "line" });
    const { printer } = its;
    const [a, b] = [run(), run()];
    says(printer, a, "one ");
    says(printer, b, "two\nth");
    says(printer, a, "line\nre", 4);
    says(printer, a, "line\nre", 4);
    says(printer, b, "ree\0\n", 6);
    printer.recorded(a, "", null);
    says(printer, b, "end", 11);
    expect((await its.printed())[0]).toBe("two\none line\nthree\0\nre\nend\n");
  });

  test("of hundreds of thousands of bytes wait in a file, and are whole all the same", async () => {
    await using its = place({ mode: "line", tagged: true });
    const { printer } = its;
    const [a, b] = [run(), run()];
    const piece = "x".repeat(50_000);
    for (let n = 0; n < 10; n++) {
      says(printer, a, piece, n * piece.length);
      says(printer, b, `b${n}\n`, n * 3);
    }
    says(printer, a, "\n", 10 * piece.length);
    const [out] = await its.printed();
    const lines = out.split("\n");
    expect(lines.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, n) => `the input\tb${n}`));
    expect(lines[10]).toBe(`the input\t${piece.repeat(10)}`);
  });
});

test("no room for what waits is told once, counted, and does not stop what follows", async () => {
  await using its = place({ mode: "group", folder: "/no/such/folder" });
  const { printer } = its;
  const [a, b] = [run(), run()];
  says(printer, a, "x".repeat(100_000));
  says(printer, a, "x".repeat(100_000), 100_000);
  says(printer, b, "small\n");
  printer.recorded(a, "", null);
  printer.recorded(b, "", null);
  expect((await its.printed())[0]).toBe("small\n");
  expect(its.warnings).toEqual([
    expect.stringMatching(
      /^The output of tasks cannot wait in '\/no\/such\/folder': .* - TMPDIR names another folder$/,
    ),
    "2 pieces of the output of tasks are lost: there was no room",
  ]);
});
