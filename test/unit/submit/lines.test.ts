import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { lineSource, openLines } from "../../../src/submit/lines.ts";
import type { ByteReader } from "../../../src/submit/lines.ts";
import { type BadLine, longestLine } from "../../../src/submit/splitter.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lines-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Gives the chunks one by one and counts how many were asked for. */
function chunked(chunks: readonly Uint8Array[]): ByteReader & { asked: () => number } {
  let at = 0;
  return {
    read: () => Promise.resolve(at < chunks.length ? { done: false, value: chunks[at++]! } : { done: true }),
    cancel: () => Promise.resolve(),
    asked: () => at,
  };
}

async function linesOf(chunks: readonly (string | Uint8Array)[]): Promise<(string | BadLine)[]> {
  const source = lineSource("x", false, () =>
    chunked(chunks.map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk) : chunk))),
  );
  const all: (string | BadLine)[] = [];
  for await (const { first, lines } of source.read()) {
    expect(first).toBe(all.length + 1);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) all.push(line);
  }
  return all;
}

describe("lines", () => {
  test("end at LF", async () => {
    expect(await linesOf(["a\nb\n\nc\n"])).toEqual(["a", "b", "", "c"]);
  });
  test("end at NUL where that was asked for, and only there", async () => {
    const source = lineSource("x", true, () => chunked(["a\nb\0 c", " \0\0d"].map((text) => Buffer.from(text))), "\0");
    const all = await Array.fromAsync(source.read());
    expect(all.flatMap(({ lines }) => lines)).toEqual(["a\nb", " c ", "", "d"]);
  });
  test("need no end at the end of the input", async () => {
    expect(await linesOf(["a\nb"])).toEqual(["a", "b"]);
    expect(await linesOf(["b"])).toEqual(["b"]);
  });
  test("of nothing are none", async () => {
    expect(await linesOf([])).toEqual([]);
    expect(await linesOf(["", ""])).toEqual([]);
  });
  test("are the same however the bytes come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme" })),
        fc.array(fc.nat({ max: 7 })),
        async (parts, sizes) => {
          const text = parts.join("\n");
          const bytes = Buffer.from(text);
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const size of sizes) {
            chunks.push(bytes.subarray(at, at + size));
            at = Math.min(at + size, bytes.length);
          }
          chunks.push(bytes.subarray(at));
          const expected = text.split("\n");
          if (expected.at(-1) === "") expected.pop();
          expect(await linesOf(chunks)).toEqual(expected);
        },
      ),
    );
  });
  test("that are not UTF-8 are bad, each by itself", async () => {
    expect(await linesOf([Buffer.from("one\ntw\xe9\nthr\u00e9e\n\xff\nfive", "latin1")])).toEqual([
      "one",
      { number: 2, reason: "it is not UTF-8, iconv can convert it", text: null },
      { number: 3, reason: "it is not UTF-8, iconv can convert it", text: null },
      { number: 4, reason: "it is not UTF-8, iconv can convert it", text: null },
      "five",
    ]);
    expect(
      await linesOf([Buffer.from([0xe2, 0x82]), Buffer.from([0xac, 10]), Buffer.from([0xe2, 0x82, 10, 97])]),
    ).toEqual(["\u20ac", { number: 2, reason: "it is not UTF-8, iconv can convert it", text: null }, "a"]);
  });
  test("longer than can be held are counted, not held", async () => {
    const block = Buffer.alloc(300_000, "x");
    const long = [block, block, block, block];
    const bad = { number: 2, reason: `it is 1200003 bytes long, a line can have ${longestLine} at most`, text: null };
    expect(await linesOf(["a\nyyy", ...long, "\nb\nc"])).toEqual(["a", bad, "b", "c"]);
    expect(await linesOf(["a\nyyy", ...long])).toEqual(["a", bad]);
    expect(await linesOf(["a\nyyy", ...long, "\n", "b"])).toEqual(["a", bad, "b"]);
    expect(await linesOf(["a\nyyy", ...long, "\n"])).toEqual(["a", bad]);
  });
  test("come in small batches first, and in order", async () => {
    const source = lineSource("x", false, () => chunked([Buffer.from("x\n".repeat(20_000))]));
    const sizes: number[] = [];
    for await (const { lines } of source.read()) sizes.push(lines.length);
    expect(sizes.slice(0, 8)).toEqual([64, 128, 256, 512, 1024, 2048, 4096, 4096]);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(20_000);
  });
  test("are read no further than they are wanted", async () => {
    const reader = chunked(Array.from({ length: 10 }, () => Buffer.from("x\n")));
    const reading = lineSource("x", false, () => reader).read();
    await reading.next();
    expect(reader.asked()).toBe(1);
    await reading.next();
    expect(reader.asked()).toBe(2);
    await reading.return();
    expect(reader.asked()).toBe(2);
  });
  test("end when their source is closed", async () => {
    let finish: () => void = () => undefined;
    const never = new Promise<{ done: boolean }>((resolve) => {
      finish = () => resolve({ done: true });
    });
    const source = lineSource("x", false, () => ({ read: () => never, cancel: () => Promise.resolve(finish()) }));
    const next = source.read().next();
    await source.close();
    expect((await next).done).toBe(true);
  });
});

describe("a source", () => {
  test("can be read again when it is a regular file", async () => {
    const path = join(folder, "tasks.in");
    writeFileSync(path, "a\nb\n");
    const source = openLines(path);
    expect([source.name, source.regular]).toEqual([path, true]);
    for (let round = 0; round < 2; round += 1) {
      const batches = await Array.fromAsync(source.read());
      expect(batches).toEqual([{ first: 1, lines: ["a", "b"] }]);
    }
  });
  test("may be a device, which is read like a stream", async () => {
    const source = openLines("/dev/null");
    expect(source.regular).toBe(false);
    expect(await Array.fromAsync(source.read())).toEqual([]);
    await source.close();
  });
  test("that does not exist is named, with the reason", () => {
    expect(() => openLines(join(folder, "none"))).toThrow(`Cannot read '${folder}/none': no such file or directory`);
  });
  test("must not be a folder", () => {
    expect(() => openLines(folder)).toThrow(`Cannot read '${folder}': it is a directory`);
  });
  test("must not lie below a file", () => {
    writeFileSync(join(folder, "file"), "");
    expect(() => openLines(join(folder, "file", "x"))).toThrow("file/x': not a directory");
  });
  test("on standard input is read from where it stands", async () => {
    const path = join(folder, "headed.in");
    writeFileSync(path, "header\na\nb\n");
    const script = `
      import { openLines } from ${JSON.stringify(join(import.meta.dir, "../../../src/submit/lines.ts"))};
      const source = openLines("-");
      for await (const { lines } of source.read()) console.log(source.name, source.regular, lines.join());
    `;
    const child = Bun.spawn(["/bin/sh", "-c", `read first; exec "$0" -e "$1"`, process.execPath, script], {
      stdin: Bun.file(path),
      stdout: "pipe",
    });
    expect(await new Response(child.stdout).text()).toBe("<stdin> false a,b\n");
  });
});
