import { expect, test } from "bun:test";
import fc from "fast-check";
import { UserError } from "../../../src/base/errors.ts";
import type { CommandSpec } from "../../../src/args/spec.ts";
import { parseFlags } from "../../../src/args/flags.ts";

const spec: CommandSpec = {
  name: "hs test",
  summary: "",
  usage: [],
  positionals: [{ key: "args", metavar: "ARGS", value: "file", min: 0, max: Infinity, help: "" }],
  sections: [
    {
      title: "Options",
      options: [
        { key: "limit", names: ["-l", "--limit"], kind: "integer", help: "" },
        { key: "count", names: ["-c", "--count"], kind: "flag", help: "" },
        { key: "template", names: ["-t", "--template"], kind: "text", help: "" },
        { key: "tag", names: ["-T", "--tag"], kind: "words", help: "" },
        { key: "ssh", names: ["-s", "--ssh"], kind: "optional", help: "" },
      ],
    },
  ],
  exclusive: [["count", "limit"]],
};

/** Words as people type them, and worse: pieces of options glued together. */
const word = fc.oneof(
  fc.string(),
  fc
    .array(fc.constantFrom("-", "--", "=", " ", "l", "c", "t", "T", "limit", "tag", "te", "5", "x", "h"), {
      maxLength: 5,
    })
    .map((parts) => parts.join("")),
);

test("whatever the words, the answer is values, help, or an argument error", () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        const parsed = parseFlags(spec, words);
        if (parsed === "help") return;
        const limit = parsed.number("limit");
        expect(limit === undefined || Number.isSafeInteger(limit)).toBe(true);
        expect(parsed.flag("count") && parsed.given("limit")).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).status).toBe(2);
      }
    }),
    { numRuns: 2000 },
  );
});

test("after -- every word arrives as it is", () => {
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const parsed = parseFlags(spec, ["-T", "a", "--", ...words]);
      expect(parsed === "help" ? null : parsed.words("args")).toEqual(words);
    }),
  );
});

test("any value arrives unchanged through an equals sign, long or short", () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      for (const option of [`--template=${value}`, `-t=${value}`, `--temp=${value}`]) {
        const parsed = parseFlags(spec, ["x", option, "y"]);
        expect(parsed === "help" ? null : parsed.text("template")).toBe(value);
      }
    }),
  );
});
