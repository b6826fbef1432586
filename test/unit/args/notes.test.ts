import { expect, test } from "bun:test";
import { notesOf } from "../../../src/args/notes.ts";

test("a closing text has sections with examples, rows, prose and lines that stand as they are", () => {
  const text = [
    "Before",
    "all.",
    "",
    "Examples:",
    "  hs list    all tasks",
    "  hs list -F -w 'duration >= 1h' and more",
    "             of them",
    "",
    "Signals:",
    "  TERM    stop",
    "          and go",
    "  What is left",
    "  stays.",
    "",
    "    #SBATCH -c4",
    "",
    "Exit status: 0 success.",
  ].join("\n");
  expect(notesOf(text)).toEqual([
    { title: null, blocks: [{ kind: "prose", text: "Before all." }] },
    {
      title: "Examples",
      blocks: [
        {
          kind: "rows",
          rows: [
            { label: "hs list", text: "all tasks" },
            { label: "hs list -F -w 'duration >= 1h' and more", text: "of them" },
          ],
          lines: text.split("\n").slice(4, 7),
        },
      ],
    },
    {
      title: "Signals",
      blocks: [
        { kind: "rows", rows: [{ label: "TERM", text: "stop and go" }], lines: text.split("\n").slice(9, 11) },
        { kind: "prose", text: "What is left stays." },
        { kind: "lines", lines: ["    #SBATCH -c4"] },
      ],
    },
    { title: null, blocks: [{ kind: "prose", text: "Exit status: 0 success." }] },
  ]);
});

test("a term may have blanks in it: the last gap of a line is the one before the meaning", () => {
  const [note] = notesOf("Task lines:\n  echo 1  # HYPERSHELL: a:1    a tag");
  expect(note?.blocks[0]).toMatchObject({ rows: [{ label: "echo 1  # HYPERSHELL: a:1", text: "a tag" }] });
});
