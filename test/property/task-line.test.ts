import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseLine } from "../../src/task/line.ts";
import { parseTags } from "../../src/task/tag.ts";

const shellText = fc.string({ unit: fc.constantFrom(...Array.from("ab '\"$`\\#{}();|<>:\t/")), maxLength: 40 });

test("no text makes the line parser throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), shellText), (text) => void parseLine(text)));
});

test("a line without # is its trimmed self", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.includes("#") && text.trim() !== "" && !text.includes("\0"));
      expect(parseLine(text)).toEqual({ kind: "task", args: text.trim(), settings: [] });
    }),
  );
});

test("what is left of a line has no comment any more", () => {
  fc.assert(
    fc.property(shellText, (text) => {
      const line = parseLine(text);
      fc.pre(line.kind === "task");
      expect(parseLine(line.args)).toEqual({ kind: "task", args: line.args.trim(), settings: [] });
    }),
  );
});

test("the shell sees the same command with and without its comment", () => {
  fc.assert(
    fc.property(shellText, (text) => {
      const trimmed = text.trim();
      // Arithmetic to bash, to POSIX shells two subshells.
      fc.pre(!trimmed.includes("(("));
      const line = parseLine(trimmed);
      fc.pre(line.kind === "task" && line.args !== trimmed);
      if (line.kind !== "task") return;
      // As the body of a function the command is parsed, printed as it was understood, and not run.
      const parsed = (command: string): string => {
        const { stdout, exitCode } = Bun.spawnSync(["bash", "-c", `f() {\n${command}\n}\ndeclare -f f`], {
          stderr: "ignore",
        });
        return `${exitCode} ${stdout.toString()}`;
      };
      expect(parsed(line.args)).toBe(parsed(trimmed));
    }),
    { numRuns: 150 },
  );
});

test("tags written inline are the tags of the task", () => {
  const key = fc.stringMatching(/^[A-Za-z_.+-][A-Za-z0-9_.+-]{0,20}$/);
  const value = fc.stringMatching(/^[A-Za-z0-9_.+-]{1,20}$/);
  const reserved = new Set(["group", "cores", "memory", "timeout", "part"]);
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 5 }), (pairs) => {
      fc.pre(pairs.every(([each]) => !reserved.has(each)));
      const words = pairs.map((pair) => pair.join(":"));
      expect(parseLine(`echo 1 # HYPERSHELL: ${words.join(" ")}`)).toEqual({
        kind: "task",
        args: "echo 1",
        settings: parseTags(words) as [],
      });
    }),
  );
});
