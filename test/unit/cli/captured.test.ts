/* Which file is shown for a task: of which host, of which run. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { printCaptured } from "../../../src/cli/captured.ts";
import { capturedFiles, isSameHost } from "../../../src/cluster/captured.ts";
import type { FetchFailure } from "../../../src/cluster/fetch.ts";
import { formatTime } from "../../../src/store/times.ts";
import { capture } from "./capture.ts";
import { collected } from "./ports.ts";
import { type Given, taskRecord } from "../print/rows.ts";

const id = "cd20208b-069b-45ae-9e4e-3f79f57bde6d";
const startedMs = Date.parse("2026-11-22T07:07:22.500Z");
const endedMs = startedMs + 1500;

let top = "";
let count = 0;
beforeAll(() => void (top = mkdtempSync(join(tmpdir(), "hs-captured-"))));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/**
 * A site of its own, with these files in `own` (lib/task of the site) and `recorded`, written `ageMs` before the task
 * started.
 */
function place(files: Readonly<Record<string, readonly [text: string, ageMs: number]>> = {}): string {
  const folder = join(top, String((count += 1)));
  for (const name of ["own", "recorded"]) mkdirSync(join(folder, name), { recursive: true });
  for (const [name, [text, ageMs]] of Object.entries(files)) {
    const path = join(folder, `${name}/${id}.out`);
    writeFileSync(path, text);
    utimesSync(path, (startedMs - ageMs) / 1000, (startedMs - ageMs) / 1000);
  }
  return folder;
}

const ran: Given = {
  exit_status: 0,
  schedule_time: formatTime(startedMs - 10),
  start_time: formatTime(startedMs),
  completion_time: formatTime(endedMs),
};

async function stdoutOf(folder: string, given: Given, there?: string | FetchFailure) {
  const ports = capture(folder, there);
  const output = collected();
  const task = taskRecord({ id, ...ran, outpath: `${folder}/recorded/${id}.out`, ...given });
  await printCaptured(task, capturedFiles.stdout, output, ports);
  return { text: output.text(), asked: ports.asked.length };
}

async function failure(folder: string, given: Given, there?: FetchFailure): Promise<string> {
  try {
    await stdoutOf(folder, given, there);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error("it did not fail");
}

const elsewhere = { client_host: "node77" };

test("a file is shown where the task says, before where this site would keep it", async () => {
  const folder = place({ recorded: ["recorded", -1], own: ["own", -1] });
  expect((await stdoutOf(folder, {})).text).toBe("recorded");
  expect((await stdoutOf(folder, { outpath: "/nowhere/b.out" })).text).toBe("own");
  expect((await stdoutOf(folder, { outpath: null })).text).toBe("own");
});

test("a running task's file is shown as far as it is", async () => {
  const folder = place({ own: ["half", -1] });
  const running = { start_time: null, completion_time: null, exit_status: null, outpath: null };
  expect((await stdoutOf(folder, running)).text).toBe("half");
});

test("a file of an earlier run is not shown", async () => {
  const stale = place({ recorded: ["old", 60], own: ["old", 60] });
  expect(await stdoutOf(stale, elsewhere, "new")).toEqual({ text: "new", asked: 1 });
  const kept = place({ own: ["old", 60] });
  expect(await failure(kept, {})).toContain("is gone: '");
  expect(await stdoutOf(kept, { outpath: null })).toEqual({ text: "", asked: 0 });
  const reverted = { schedule_time: null, start_time: null, completion_time: null, exit_status: null, outpath: null };
  expect(await failure(kept, reverted)).toEndWith("it has not ended");
});

test("a host that ran the task has the file of its last run, whatever its clock says", async () => {
  const folder = place({ recorded: ["mine", 3_600_000] });
  for (const name of [null, "node01", "node01.cluster", "NODE01"]) {
    expect((await stdoutOf(folder, { client_host: name })).text).toBe("mine");
  }
});

test("a shared file system makes fetching needless", async () => {
  const folder = place({ recorded: ["shared", -1] });
  expect(await stdoutOf(folder, elsewhere, "fetched")).toEqual({ text: "shared", asked: 0 });
});

test("what was fetched is kept, and fetched anew only after another run", async () => {
  const folder = place();
  const outpath = "/far/x.out";
  expect(await stdoutOf(folder, { ...elsewhere, outpath }, "first")).toEqual({ text: "first", asked: 1 });
  expect(readFileSync(join(folder, `own/${id}.out`), "utf8")).toBe("first");
  expect(readdirSync(join(folder, "own"))).toHaveLength(1);
  expect(await stdoutOf(folder, { ...elsewhere, outpath }, "other")).toEqual({ text: "first", asked: 0 });
  const again = { start_time: formatTime(endedMs + 100), completion_time: formatTime(endedMs + 200) };
  expect(await stdoutOf(folder, { ...elsewhere, ...again, outpath }, "second")).toEqual({ text: "second", asked: 1 });
});

test("times with an offset count as what they are", async () => {
  const start_time = "2026-11-22 09:07:22.500000+02:00";
  expect((await stdoutOf(place({ recorded: ["now", 0] }), { ...elsewhere, start_time }, "fetched")).text).toBe("now");
  expect((await stdoutOf(place({ recorded: ["old", 60] }), { ...elsewhere, start_time }, "fetched")).text).toBe(
    "fetched",
  );
});

test("a site that cannot be written gets no copy, but its user the output", async () => {
  const folder = place();
  rmSync(join(folder, "own"), { recursive: true });
  writeFileSync(join(folder, "own"), "in the way");
  expect((await stdoutOf(folder, { ...elsewhere, outpath: "/far/x.out" }, "fetched")).text).toBe("fetched");
});

test("what cannot be fetched leaves nothing behind, and the reason is told with the place", async () => {
  const folder = place({ recorded: ["old", 60] });
  const recorded = join(folder, `recorded/${id}.out`);
  const reason = "no address is known here for node77";
  expect(await failure(folder, elsewhere, { kind: "failed", reason })).toBe(
    `Standard output of task (${id}) is on host node77, not on this one (node01): ` +
      `'${recorded}' - ${reason} (${recorded} is here, but older than the last run of the task)`,
  );
  expect(await failure(place(), { ...elsewhere, outpath: "/x" }, { kind: "failed", reason })).toEndWith(` - ${reason}`);
  expect(await failure(folder, elsewhere, { kind: "gone", reason: "" })).toBe(
    `Standard output of task (${id}) is gone from host node77: '${recorded}'`,
  );
  expect(readdirSync(join(folder, "own"))).toEqual([]);
  expect(existsSync(recorded)).toBe(true);
});

test("a host is the same with and without its domain", () => {
  const same: readonly (readonly [string, string])[] = [
    ["a", "a"],
    ["a", "A.x.org"],
    ["a.x.org", "a"],
    ["10.0.0.1", "10.0.0.1"],
  ];
  const different: readonly (readonly [string, string])[] = [
    ["a", "b"],
    ["a.x", "a.y"],
    ["10.0.0.1", "10.0.0.2"],
    ["10", "10.0.0.1"],
    ["a", "ab.x"],
  ];
  expect(same.filter(([one, other]) => !isSameHost(one, other))).toEqual([]);
  expect(different.filter(([one, other]) => isSameHost(one, other))).toEqual([]);
});

test("only a plain file is shown: a FIFO or a device would never end, and its own copy may be there", async () => {
  const folder = place({ own: ["mine", -1000] });
  const fifo = join(folder, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  for (const outpath of [fifo, "/dev/zero", folder]) {
    expect((await stdoutOf(folder, { client_host: "node01", outpath })).text).toBe("mine");
    const empty = place();
    const shown = stdoutOf(empty, { client_host: "node01", outpath });
    expect(shown).rejects.toThrow(`Standard output of task (${id}) is in no plain file: '${outpath}'`);
    await shown.catch(() => undefined);
  }
});

test("a copy of a file that only its owner reads is read by nobody else here either", async () => {
  const folder = place();
  await stdoutOf(folder, { client_host: "node02" }, "far");
  expect(statSync(join(folder, "own", `${id}.out`)).mode & 0o777).toBe(0o600);
});
