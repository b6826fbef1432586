/*
 * Log files on a real file system while somebody logs without a pause: every line is in one of them, once, in its
 * order; full ones are compressed meanwhile, and what a killed process has left is done by the next.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { systemClock } from "../../../src/base/clock.ts";
import { type Compressor, newCompressor } from "../../../src/log/compressor.ts";
import { type LogFile, newLogFile } from "../../../src/log/log-file.ts";
import { logFiles } from "../../../src/log/log-folder.ts";
import { type Compression, parsePolicy, type Policy } from "../../../src/log/rotation.ts";
import { makeLog } from "../../make.ts";

const top = mkdtempSync(join(tmpdir(), "hs-full-"));
afterAll(() => rmSync(top, { recursive: true }));
let count = 0;
function folder(): string {
  const path = join(top, String((count += 1)));
  mkdirSync(path);
  return path;
}

interface Logging {
  readonly file: LogFile;
  readonly compressor: Compressor;
  readonly told: readonly string[];
}

function logInto(path: string, rotate: string, compression: Compression | null, keep = 0): Logging {
  const told: string[] = [];
  const log = makeLog((level, text) => void told.push(`${level} ${text}`));
  const compressor = newCompressor({ path, compression, keep, log, clock: systemClock });
  const file = newLogFile({
    threshold: 0,
    render: ({ message }) => message,
    policy: parsePolicy(rotate, true) as Policy,
    files: logFiles(path, "vm", () => compressor.recover()),
    clock: systemClock,
    reasonOf: String,
    log: () => log,
    onFull: (name) => compressor.add(name),
  });
  file.open();
  return { file, compressor, told };
}

/** The texts of all files but locks, oldest first. */
function texts(path: string): readonly string[] {
  const number = (name: string): number => Number(/^a\.(\d+)/.exec(name)?.[1] ?? Number.POSITIVE_INFINITY);
  return readdirSync(path)
    .filter((name) => !name.endsWith(".lock"))
    .toSorted((one, other) => number(one) - number(other))
    .map((name) => {
      const bytes = readFileSync(join(path, name));
      return (
        name.endsWith(".gz") ? gunzipSync(bytes) : name.endsWith(".zstd") ? zstdDecompressSync(bytes) : bytes
      ).toString();
    });
}

describe("20,000 lines a second", () => {
  test.each(["gzip", "zstd"] as const)(
    "are all in one of the files, in their order, with %p behind them",
    async (compression) => {
      const path = folder();
      const { file, compressor } = logInto(join(path, "a.log"), "100KB", compression);
      const total = 10_000;
      const turns = 250;
      for (let n = 0; n < total; n += 1) {
        file.write({ level: "INFO", name: "x", message: `${n} ${"x".repeat(n % 120)}`, at: systemClock.now() });
        if (n % (total / turns) === 0) {
          const turn = Promise.withResolvers<void>();
          systemClock.after(1, turn.resolve);
          await turn.promise;
        }
        if (n === total / 2) file.renew();
      }
      file.flush();
      await compressor.settle();
      compressor.stop();
      const lines = texts(path).flatMap((text) => text.split("\n").slice(0, -1));
      expect(lines.map((line) => Number.parseInt(line, 10))).toEqual(Array.from({ length: total }, (_, n) => n));
      const archives = readdirSync(path).filter((name) => /^a\.\d+\.(?:gz|zstd)$/.test(name));
      expect(archives.length).toBeGreaterThan(3);
      expect(archives.map((name) => statSync(join(path, name)).mode & 0o777).filter((mode) => mode !== 0o600)).toEqual(
        [],
      );
    },
  );
});

describe("what a killed process has left", () => {
  test("is compressed by the next, half an archive too, and what cannot be done is told", async () => {
    const path = folder();
    const at = (name: string): string => join(path, name);
    writeFileSync(at("a.1"), "one\n");
    writeFileSync(at("a.2"), "two\n");
    writeFileSync(at("a.2.gz.partial"), "half");
    writeFileSync(at("a.3.xz.partial"), "half");
    writeFileSync(at("a.4.gz.partial"), "half");
    writeFileSync(at("a.3"), "three\n");
    const { compressor, told } = logInto(at("a.log"), "never", "gzip", 1);
    await compressor.settle();
    expect(texts(path)).toEqual(expect.arrayContaining(["one\n", "two\n", "three\n"]));
    const names = readdirSync(path).filter((name) => name.startsWith("a.") && !name.includes("log"));
    expect(names.toSorted()).toEqual(["a.1.gz", "a.2.gz", "a.3", "a.3.gz", "a.4.gz.partial"]);
    const said = told.map((line) => line.replaceAll(`${path}/`, ""));
    expect(said).toEqual(
      expect.arrayContaining([
        "ERROR Interrupted compression cannot be done again: a.4.gz.partial is there, but not its original",
        "ERROR Interrupted compression does not match logging.file.compress, removed: a.3.xz.partial",
        "INFO Re-queuing interrupted compression: a.2",
        "INFO Compressing a.1[.gz]",
        "INFO Removed previous file (a.1)",
      ]),
    );
  });
  test("a folder that is removed while lines are written comes back with the next ones", () => {
    const path = join(folder(), "log", "a.log");
    const { file } = logInto(path, "never", null);
    const say = (message: string): void => file.write({ level: "INFO", name: "x", message, at: systemClock.now() });
    say("old");
    file.flush();
    rmSync(dirname(path), { recursive: true });
    say("new");
    expect(readFileSync(path, "utf8")).toBe("new\n");
  });
});
