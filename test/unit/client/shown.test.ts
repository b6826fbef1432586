import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { showOutput } from "../../../src/client/shown.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-shown-"));
afterAll(() => rmSync(folder, { recursive: true }));
const id = "0b7c2b3e-0000-4000-8000-000000000002";
const ask = (stream: "stdout" | "stderr", isOver = false) =>
  showOutput(folder, { id, stream, from: 0, most: 100 }, isOver);

test("a client shows the captured file of the stream, and whether more may come", () => {
  writeFileSync(join(folder, `${id}.out`), "printed");
  expect(ask("stdout")).toEqual({ text: "printed", next: 7, more: false, over: false });
  expect(ask("stdout", true).over).toBe(true);
});

test("what is not there is empty, for empty files are not kept", () => {
  expect(ask("stderr", true)).toEqual({ text: "", next: 0, more: false, over: true });
});

test("without --capture, and where the file cannot be read, it is said why", () => {
  const query = { id, stream: "stdout", from: 0, most: 100 } as const;
  expect(showOutput(null, query, false).refused).toContain("without --capture");
  mkdirSync(join(folder, `${id}.err`));
  expect(ask("stderr").refused).toContain("cannot be read");
});
