import { expect, test } from "bun:test";
import { ask, readLine } from "../../../src/cli/prompt.ts";

async function answer(
  line: string | null,
  fallback: "yes" | "no",
  echoes = true,
): Promise<{ readonly shown: string; readonly answer: unknown }> {
  let shown = "";
  const got = await ask("Truncate it", fallback, {
    write: (text) => void (shown += text),
    readLine: () => Promise.resolve(line),
    echoes,
  });
  return { shown, answer: got };
}

test("a question shows what an empty line means, and an empty line means that", async () => {
  expect(await answer("", "yes")).toEqual({ shown: "Truncate it? [Y]es/no: ", answer: { kind: "yes" } });
  expect(await answer(" \t", "no")).toEqual({ shown: "Truncate it? yes/[no]: ", answer: { kind: "no" } });
});

test("yes and no may be short, in any case, and have blanks around them", async () => {
  for (const line of ["y", "YES", " Yes "]) expect((await answer(line, "no")).answer).toEqual({ kind: "yes" });
  for (const line of ["n", "NO", "\tno"]) expect((await answer(line, "yes")).answer).toEqual({ kind: "no" });
});

test("an answer other than yes and no comes back as it was given", async () => {
  expect((await answer(" Maybe? ", "yes")).answer).toEqual({ kind: "other", text: "Maybe?" });
  expect((await answer("yess", "yes")).answer).toEqual({ kind: "other", text: "yess" });
});

test("the end of input is no yes, and no answer at all where there is no terminal", async () => {
  expect((await answer(null, "yes")).answer).toEqual({ kind: "end" });
  expect((await answer(null, "yes", false)).answer).toEqual({ kind: "absent" });
});

test("what follows the answer begins on a line of its own", async () => {
  expect((await answer(null, "yes")).shown).toEndWith(": \n");
  expect((await answer("y", "yes", false)).shown).toEndWith(": \n");
  expect((await answer("y", "yes", true)).shown).toEndWith(": ");
});

/** Hands out the pieces, then the end; fails where a piece is an error. */
function pieces(...texts: readonly (string | Error)[]): () => Promise<Uint8Array | null> {
  const left = [...texts];
  return async () => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return next === undefined ? null : Buffer.from(next, "latin1");
  };
}

test("an answer is one line, however it arrives", async () => {
  expect(await readLine(pieces("y", "es\nno\n"))).toBe("yes");
  expect(await readLine(pieces("yes\r\n"))).toBe("yes");
  expect(await readLine(pieces("\n"))).toBe("");
  expect(await readLine(pieces("no end"))).toBe("no end");
  expect(await readLine(pieces("\xc3", "\xa4\n"))).toBe("ä");
});

test("no input, and input that cannot be read, are its end", async () => {
  expect(await readLine(pieces())).toBeNull();
  expect(await readLine(pieces(new Error("EIO")))).toBeNull();
});

test("an answer without end is cut off", async () => {
  let read = 0;
  const endless = async (): Promise<Uint8Array> => {
    read += 1000;
    return Buffer.alloc(1000, "x");
  };
  expect((await readLine(endless))?.length).toBe(4096);
  expect(read).toBeLessThan(10_000);
});
