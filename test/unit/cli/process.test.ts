/* The process as a whole: what reaches the real stdout and stderr, and the status, also when one of them is closed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pkg from "../../../package.json";

const main = join(import.meta.dir, "../../../src/main.ts");

let site = "";
beforeAll(() => {
  site = mkdtempSync(join(tmpdir(), "hs-process-"));
});
afterAll(() => {
  rmSync(site, { recursive: true });
});

async function shell(script: string): Promise<{ status: number; out: string; err: string }> {
  const child = Bun.spawn(["/bin/sh", "-c", script], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: {
      ...process.env,
      HS: `${process.execPath} ${main}`,
      HYPERSHELL_CONFIG_FILE: "",
      HYPERSHELL_SITE: site,
      NO_COLOR: "1",
    },
  });
  const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { status, out, err };
}

describe.skipIf(process.platform === "win32")("the process", () => {
  test("prints its version", async () => {
    expect(await shell("$HS --version")).toEqual({
      status: 0,
      out: `hs ${pkg.version} (compatible with HyperShell 2.8, Bun ${Bun.version})\n`,
      err: "",
    });
  });
  test("puts an error on stderr in one line and ends with its status", async () => {
    expect(await shell("$HS nonsense")).toEqual({
      status: 2,
      out: "",
      err: "CRITICAL [hypershell] unrecognized command: nonsense\n",
    });
  });
  test.if(process.platform === "linux")("says in one line that the disk is full", async () => {
    expect(await shell("$HS --help >/dev/full")).toEqual({
      status: 5,
      out: "",
      err: "CRITICAL [hypershell] No space left on device\n",
    });
  });
  test("does not mind a closed stdout", async () => {
    expect(await shell("$HS --help >&-")).toEqual({ status: 0, out: "", err: "" });
  });
  test("does not mind a reader who has left", async () => {
    expect(await shell("{ $HS --help; echo $? >&2; } | exec 0<&-")).toEqual({ status: 0, out: "", err: "0\n" });
  });
  test("ends with its status though stderr is closed", async () => {
    expect(await shell("$HS nonsense 2>&-")).toEqual({ status: 2, out: "", err: "" });
  });
  test("takes /dev/null for an input without tasks", async () => {
    expect(await shell("$HS cluster --no-db </dev/null")).toEqual({ status: 0, out: "", err: "" });
  });
  test("without NO_COLOR, on a pipe, there is no colour either", async () => {
    expect((await shell("unset NO_COLOR FORCE_COLOR; $HS --help")).out).not.toContain("\u001b");
    expect((await shell("FORCE_COLOR=1 $HS --help")).out).toContain("\u001b[1mUsage:");
  });
  test("ends a command on Ctrl-C with one line and status 4", async () => {
    const child = Bun.spawn([process.execPath, main, "submit", "-"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, HYPERSHELL_SITE: site, HYPERSHELL_LOGGING_LEVEL: "debug", NO_COLOR: "1" },
    });
    let err = "";
    let interrupted = false;
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      err += text;
      // It waits for input from here on, which never comes.
      if (interrupted || !err.includes("Submitted from <stdin>")) continue;
      interrupted = true;
      child.kill("SIGINT");
    }
    expect([await child.exited, await child.stdout.text()]).toEqual([4, ""]);
    expect(err.match(/CRITICAL .*/g)).toEqual(["CRITICAL [hypershell] keyboard-interrupt: going down now!"]);
  });
});
