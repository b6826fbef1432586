/* A task that is written down as a line, and read again, is the same task. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { taskFactory } from "../../src/task/factory.ts";
import { exactLine, parseLine } from "../../src/task/line.ts";
import { isRewritable, type RerunForm, rerunLine, type RerunTask } from "../../src/task/rerun.ts";
import type { NewTask } from "../../src/task/task.ts";

const none = { cores: null, memory: null, timeout: null };
const form: RerunForm = { end: "\n", isVerbatim: false, defaults: none, mayRewrite: true };

/** The task that a line gives; null: it gives none. */
function readAgain(text: string, { isVerbatim, defaults }: RerunForm): NewTask | null {
  const start = { submitId: "s", submitHost: "h", group: 0, settings: [], ...defaults };
  const factory = taskFactory(start, () => "id", isVerbatim ? exactLine : parseLine);
  const line = factory.read(text);
  return line.kind === "task" ? factory.build(line.args, line.settings, 0) : null;
}

const limit = fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { nil: null });
const limits = fc.record({ cores: limit, memory: limit, timeout: limit });
const tagValue = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_.+-]{0,20}$/),
  fc.constantFrom("007", "1.10", "null", "true", "5", "a b", "x/y", "ä"),
  fc.integer(),
  // -0 is 0 in databases and on the wire.
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
);
const tagKey = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_.+-]{1,20}$/), fc.constantFrom("group", "timeout", "a b", ""));
const tag = fc.dictionary(
  tagKey.filter((key) => key !== "__proto__" && key !== "part"),
  tagValue,
  { maxKeys: 4 },
);
const args = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...Array.from("ab '\"$`\\#{}();|<>%&:\t\n\r")), minLength: 1, maxLength: 40 }),
    fc.string({ unit: "grapheme", minLength: 1 }),
  )
  .filter((text) => !text.includes("\0"));
const task: fc.Arbitrary<RerunTask> = fc
  .record({ args, group: fc.nat({ max: 5 }), limits, tag })
  .map(({ limits: its, tag: tags, ...rest }) => ({ ...rest, ...its, tag: { ...tags, part: 0 } }));

test("what a line can hold is read again as it was, with its settings, and is one line", () => {
  fc.assert(
    fc.property(task, limits, fc.boolean(), fc.constantFrom("\n", "\0"), (each, defaults, isVerbatim, end) => {
      const its: RerunForm = { end, isVerbatim, defaults, mayRewrite: false };
      const { text, lost } = rerunLine(each, its);
      if (text === null) return;
      expect(text).not.toContain(end);
      const again = readAgain(text, its)!;
      expect(again.args).toBe(each.args);
      if (isVerbatim) return;
      const { group, cores, memory, timeout } = again;
      expect({ group, cores, memory, timeout }).toEqual({
        group: each.group,
        cores: each.cores,
        memory: each.memory,
        timeout: each.timeout,
      });
      const kept = Object.entries(each.tag).filter(
        ([key, value]) => !lost.includes(value === "" ? key : `${key}:${String(value)}`),
      );
      expect(again.tag).toEqual(Object.fromEntries(kept));
    }),
    { numRuns: 2000 },
  );
});

test("every task that came from a line is written, with nothing lost", () => {
  const word = fc.stringMatching(/^[A-Za-z_.+-][A-Za-z0-9_.+-]{0,9}(:[A-Za-z0-9_.+-]{0,9})?$/);
  const words = fc.array(fc.oneof(word, fc.constantFrom("group:2", "timeout:10m", "memory:1.5GB", "cores:0")), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(args, words, (text, own) => {
      const one = text.replaceAll("\n", " ");
      const before = readAgain(`${one} # HYPERSHELL: ${own.join(" ")}`, form);
      fc.pre(before !== null);
      const { text: line, lost } = rerunLine(before, { ...form, mayRewrite: false });
      expect([line === null, lost]).toEqual([false, []]);
      expect(readAgain(line!, form)).toEqual(before);
    }),
    { numRuns: 1000 },
  );
});

const shells = ["/bin/sh", "/bin/bash"];

test("a command that no line holds is given to the shell in a form that says the same", () => {
  const part = fc.constantFrom(
    "echo",
    " ",
    "a",
    "'",
    '"',
    "\n",
    "\\",
    "%s",
    "%",
    "#",
    "\t",
    "$x",
    ";",
    "b c",
    "\r",
    "&&",
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), fc.constantFrom(...shells), (parts, shell) => {
      const command = `x=5; ${parts.join("")}`;
      const { text } = rerunLine({ args: command, group: 0, ...none, tag: {} }, form);
      fc.pre(text !== null && text !== command);
      expect(text).not.toContain("\n");
      const again = readAgain(text, form)!;
      const run = (line: string): unknown => {
        const { stdout, exitCode } = Bun.spawnSync([shell, "-c", line], { stderr: "ignore" });
        return [stdout.toString(), exitCode === 0];
      };
      expect(run(again.args)).toEqual(run(command));
    }),
    { numRuns: 150 },
  );
});

test("the settings that are kept are those of the task; what every line gets is not written", () => {
  const base = { args: "false", group: 0, ...none, tag: { part: 0 } };
  const line = (its: Partial<RerunTask>, more: Partial<RerunForm> = {}) =>
    rerunLine({ ...base, ...its }, { ...form, ...more }).text;
  expect(line({})).toBe("false");
  expect(line({ timeout: 600, group: 1, tag: { site: "b", part: 0 } })).toBe(
    "false # HYPERSHELL: group:1 timeout:600 site:b",
  );
  const defaults = { ...none, timeout: 600 };
  expect(line({ timeout: 600 }, { defaults })).toBe("false");
  expect(line({}, { defaults })).toBe("false # HYPERSHELL: timeout:0");
  expect(line({ args: "echo a\\ " })).toBe("echo a\\  # HYPERSHELL:");
  expect(line({ args: "cd x\nmake" })).toBe(String.raw`eval "$(printf 'cd x\nmake')"`);
  expect(line({ args: "cd x\nmake" }, { mayRewrite: false })).toBeNull();
  expect(line({ args: "cd x\nmake" }, { end: "\0", isVerbatim: true })).toBe("cd x\nmake");
  expect(rerunLine({ ...base, group: 2 }, { ...form, isVerbatim: true })).toEqual({ text: "false", lost: ["group:2"] });
});

test("the other form is for shells that are known to understand it", () => {
  for (const shell of [null, "/bin/sh", "bash", "/usr/bin/zsh", "/opt/bash-5.2"])
    expect([shell, isRewritable(shell, "linux")]).toEqual([shell, true]);
  for (const shell of ["/bin/tcsh", "fish", "/usr/bin/python3", "/bin/csh", "/x/notbash"])
    expect([shell, isRewritable(shell, "linux")]).toEqual([shell, false]);
  expect(isRewritable(null, "win32")).toBe(false);
});
