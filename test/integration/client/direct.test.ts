/* With and without shell must be the same in everything that a program or its user can see. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { openDirect, plainWords } from "../../../src/client/direct.ts";
import { inherited } from "../../../src/client/environment.ts";
import type { ExecutorOptions } from "../../../src/client/options.ts";
import type { Assignment } from "../../../src/task/task.ts";
import { until } from "../../e2e/harness.ts";
import { newAssignment, type TaskPlace, taskPlace } from "../../unit/client/tasks.ts";

test("a plain program with plain arguments needs no shell", () => {
  expect(plainWords("sleep 1")).toEqual(["sleep", "1"]);
  expect(plainWords("  ./bin/tool.sh \t -a --b=c,d x@y:/z 50% +1 - -- ")).toEqual([
    "./bin/tool.sh",
    "-a",
    "--b=c,d",
    "x@y:/z",
    "50%",
    "+1",
    "-",
    "--",
  ]);
});

test("everything that a shell might see something in goes to the shell", () => {
  const signs = [
    "'",
    '"',
    "`",
    "$",
    "\\",
    "*",
    "?",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "<",
    ">",
    "|",
    "&",
    ";",
    "!",
    "#",
    "~",
    "^",
    "\n",
    "\r",
    "\0",
    "é",
    "\u3000",
  ];
  for (const sign of signs) expect(plainWords(`ls a${sign}b`)).toBeNull();
  for (const command of [
    "",
    "  ",
    "A=1 env",
    "a=b",
    "-x",
    "+x",
    "%1",
    "@x",
    "ls | wc",
    "cd /",
    "exit 3",
    "true",
    "[ a ]",
    "if",
    "time ls",
    "setsid ls",
  ]) {
    expect(plainWords(command)).toBeNull();
  }
});

/** `folder`: the name of the folder in which they run. */
const commands = (folder: string): readonly string[] => [
  "env",
  "/usr/bin/env",
  "./show a b  c=d",
  "bin/show  -x --y=1,2 50%",
  "show one two",
  `../${folder}/show up`,
  "cat show",
  "readlink /proc/self/cwd",
  "readlink /proc/self/fd/0",
  "ls /proc/self/fd",
  "sh show 1",
  "status 0",
  "status 1",
  "status 255",
  "dies SEGV",
  "dies HUP",
  "dies INT",
  "dies PIPE",
  "dies KILL",
  "dies USR1",
  "dies 40",
  "no-such-program",
  "./no-such-program",
  "bin",
  "./bin",
  "unreadable",
  "no-shebang a b",
  "./bin/no-shebang a b",
  "bad-interpreter",
  "bin/bad-interpreter",
  "empty",
  "shadowed",
  "in-second",
  "..",
  "/",
];

/** A folder with programs of every kind that PATH leads to, and what a task that runs there inherits. */
function programs(): { readonly folder: string; readonly environment: Record<string, string> } & Disposable {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-programs-")));
  const write = (path: string, text: string, mode = 0o755): void => {
    writeFileSync(join(folder, path), text);
    chmodSync(join(folder, path), mode);
  };
  mkdirSync(join(folder, "bin/in-second"), { recursive: true });
  mkdirSync(join(folder, "second/shadowed"), { recursive: true });
  write("show", '#!/bin/sh\necho "$0" "$#" "$@"; tr "\\0" "\\n" </proc/$$/cmdline; pwd\n');
  write("bin/show", '#!/bin/sh\necho "$0" "$#" "$@"; tr "\\0" "\\n" </proc/$$/cmdline; pwd\n');
  write("bin/status", "#!/bin/sh\nexit $1\n");
  write("bin/dies", "#!/bin/sh\nkill -$1 $$\n");
  write("bin/unreadable", "#!/bin/sh\necho first\n", 0o644);
  write("second/unreadable", "#!/bin/sh\necho second\n");
  write("bin/no-shebang", 'echo "$0" "$@"\n');
  write("bin/bad-interpreter", "#!/no/such/interpreter\n");
  write("bin/empty", "");
  write("bin/shadowed", "#!/bin/sh\necho first\n");
  write("second/in-second", "#!/bin/sh\necho second\n");
  const environment = {
    PATH: `${folder}/bin:${folder}/second:/usr/bin:/bin`,
    HOME: "/root",
    LANG: "C",
    SHLVL: "3",
    OLDPWD: "/usr",
    "odd.name": "1",
    _: "before",
  };
  return { folder, environment, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** What can be seen of a task's run, but for the times and places that are its own. */
async function seen(place: TaskPlace, task: Assignment) {
  const [out, err] = [place.read("out").length, place.read("err").length];
  const { exitStatus } = await place.run(task.args, task);
  const lines = place.read("out").slice(out).split("\n");
  const own = /^TASK_(?:START_TIME|WAITED|OUTPATH|ERRPATH|CSVPATH|CLIENT_ID)=/;
  return { exitStatus, out: lines.filter((line) => !own.test(line)).toSorted(), err: place.read("err").slice(err) };
}

async function warmed(options: Partial<ExecutorOptions>): Promise<TaskPlace> {
  const place = taskPlace(options);
  await until(async () => {
    await place.run("status 0");
    return place.executor.directStarts > 0;
  }, "plain commands go without the shell");
  return place;
}

/** The system's own shell, and bash under the name by which it is one. */
function shells(site: { readonly folder: string }): readonly string[] {
  const bash = Bun.which("bash");
  if (bash === null) return ["/bin/sh"];
  symlinkSync(bash, join(site.folder, "sh"));
  return ["/bin/sh", join(site.folder, "sh")];
}

test("with and without shell a plain command does the same", async () => {
  using site = programs();
  for (const shell of shells(site)) {
    const options = { shell, cwd: site.folder, environment: site.environment };
    using direct = await warmed(options);
    for (const args of commands(basename(site.folder))) {
      const task = newAssignment({ args, tag: { site: "b", "a.b": "c", naked: "", part: 0 } });
      using through = taskPlace(options);
      expect({ shell, args, ...(await seen(direct, task)) }).toEqual({ shell, args, ...(await seen(through, task)) });
      expect(through.executor.directStarts).toBe(0);
    }
    expect(direct.executor.directStarts).toBeGreaterThan(20);
  }
}, 60_000);

test("a program that appears earlier in PATH, or vanishes, is noticed at once", async () => {
  using site = programs();
  using direct = await warmed({ cwd: site.folder, environment: site.environment });
  const found = async () => (await seen(direct, newAssignment({ args: "in-both" }))).out.join("");
  const write = (folder: string): void => {
    writeFileSync(join(site.folder, folder, "in-both"), `#!/bin/sh\necho ${folder}\n`);
    chmodSync(join(site.folder, folder, "in-both"), 0o755);
  };
  write("second");
  expect(await found()).toBe("second");
  write("bin");
  expect(await found()).toBe("bin");
  rmSync(join(site.folder, "bin/in-both"));
  expect(await found()).toBe("second");
  rmSync(join(site.folder, "second/in-both"));
  expect((await direct.run("in-both")).exitStatus).toBe(127);
});

test("a signal from us ends a direct task as it ends one of the shell, and nothing is said of it", async () => {
  using site = programs();
  using direct = await warmed({ cwd: site.folder, environment: site.environment });
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", 137],
  ] as const) {
    const { running, outcome } = direct.start("sleep 60");
    running.signal(signal);
    expect((await outcome).exitStatus).toBe(status);
  }
  expect(direct.read("err")).toBe("");
});

test("with captured output the shell's word on a dead program is captured too", async () => {
  using site = programs();
  using through = taskPlace({ cwd: site.folder, environment: site.environment, capture: true });
  using direct = await warmed({ cwd: site.folder, environment: site.environment, capture: true });
  const text = async (place: TaskPlace): Promise<string> =>
    readFileSync((await place.run("dies SEGV")).errpath!, "utf8");
  expect(await text(direct)).toBe(await text(through));
});

test("where a user's settings reach into the shell, or PATH is unusual, the shell is asked every time", async () => {
  using site = programs();
  const direct = (changes: Record<string, string | undefined>) =>
    openDirect("/bin/sh", site.folder, inherited({ environment: { ...site.environment, ...changes }, exports: {} }));
  expect(await direct({})).not.toBeNull();
  expect(await direct({ PATH: undefined })).toBeNull();
  expect(await direct({ PATH: "/usr/bin:bin:/bin" })).toBeNull();
  expect(await direct({ PATH: "/usr/bin::/bin" })).toBeNull();
  expect(await direct({ PATH: "/nowhere" })).toBeNull();
  expect(await direct({ PATH: "/usr/bin:%func" })).toBeNull();
  expect(await direct({ SHELLOPTS: "xtrace" })).toBeNull();
  expect(await direct({ RANDOM: "1" })).toBeNull();
  expect(await direct({ "BASH_FUNC_ls%%": "() { :; }" })).toBeNull();
  expect(
    await openDirect("/bin/bash", site.folder, inherited({ environment: site.environment, exports: {} })),
  ).toBeNull();
  expect(
    await openDirect("/no/such/sh", site.folder, inherited({ environment: site.environment, exports: {} })),
  ).toBeNull();
});
