/*
 * What tasks printed on another host, fetched with a real sshd. The other host is this machine under another name, with
 * a site of its own in a folder whose name would mean something to a shell and to sftp; on this host that folder is
 * empty (both by namespaces of Linux).
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Sshd, sshPrograms, startSshd } from "../systems/sshd.ts";
import {
  dist,
  type Ended,
  linesOf,
  needs,
  openSite,
  type Running,
  type RunOptions,
  type Site,
  until,
} from "./harness.ts";
import { change } from "./tables.ts";

const programs = [...sshPrograms, "sftp", "unshare"];
const root = process.getuid?.() === 0 ? null : "not root";
const withSshd = needs(programs, root);
const available = root === null && programs.every((program) => Bun.which(program) !== null);

let sshd: Sshd | null = null;
beforeAll(async () => {
  if (available) sshd = await startSshd();
});
afterAll(() => sshd?.[Symbol.asyncDispose]());

/** A user who has asked nothing of ssh but what stands in this configuration. */
interface Reach {
  readonly sshd?: Sshd;
  /** What is known of the host's key; default: the right one. */
  readonly known?: string;
  readonly lines?: readonly string[];
}

let configurations = 0;

function configured(site: Site, { sshd: server = sshd!, known = server.hostKey, lines = [] }: Reach = {}): RunOptions {
  configurations += 1;
  const knownHosts = site.write(`known-${configurations}`, known === "" ? "" : `node77 ${known}\n`);
  const settings = [
    "Host node77",
    "  HostName 127.0.0.1",
    "  HostKeyAlias node77",
    `  Port ${server.port}`,
    `  IdentityFile ${server.identity}`,
    "  IdentitiesOnly yes",
    ...lines.map((line) => `  ${line}`),
    `  UserKnownHostsFile ${knownHosts}`,
  ];
  return { env: { HYPERSHELL_SSH_CONFIG: site.write(`ssh-${configurations}`, `${settings.join("\n")}\n`) } };
}

const far = String.raw`far "a" 'b' [c]* $d?!e \\f\\`;

function farSite(site: Site): string {
  const path = join(site.path, far);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Runs the tasks that wait on node77. */
async function runThere(site: Site): Promise<Ended> {
  const env = { HYPERSHELL_SITE: farSite(site), HYPERSHELL_DATABASE_FILE: site.database };
  return site.shell("unshare --uts sh -c 'hostname node77; exec hsx --restart --capture --monitor'", { env });
}

/** Calls hs here, where nothing is seen of the folder of node77. HERE_PATH, if it is set, is the PATH of hs. */
function startHere(site: Site, words: readonly string[], { env, ...options }: RunOptions = {}): Running {
  const covered = { ...options, env: { ...env, FAR: farSite(site) } };
  const cover = 'mount -t tmpfs none "$FAR"; PATH=${HERE_PATH:-$PATH}; exec "$@"';
  return site.start(
    ["sh", "-c", `exec unshare --mount sh -c '${cover}' sh "$@"`, "sh", join(dist, "hs"), ...words],
    covered,
  );
}

function here(site: Site, words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startHere(site, words, options).ended;
}

/** A task that ran on node77; its id. */
async function ranThere(site: Site, command: string): Promise<string> {
  const { stderr } = await site.hs(["submit", command]);
  await runThere(site);
  return /\(([0-9a-f-]{36})\)$/m.exec(stderr)![1]!;
}

const kept = (site: Site): readonly string[] => readdirSync(join(site.path, "site/lib/task")).toSorted();

withSshd("what a task printed on another host is fetched by sftp, shown, and kept", async () => {
  await using site = openSite();
  const id = await ranThere(site, "printf 'o\\0\\377'; echo err >&2");
  const options = configured(site);
  const told = { ...options, env: { ...options.env, HYPERSHELL_LOGGING_LEVEL: "trace" } };
  const { status, stdout, stderr } = await here(site, ["info", id, "--stdout"], told);
  expect([status, stdout]).toEqual([0, "o\0\ufffd"]);
  expect(readFileSync(join(site.path, "site/lib/task", `${id}.out`))).toEqual(Buffer.from([111, 0, 255]));
  expect(linesOf(stderr)).toEqual([
    "   DEBUG [hypershell.task] Fetching remote files (node77)",
    expect.stringMatching(/^ {3}TRACE \[hypershell\.core\.remote\] GET node77:.*\.out -> \/.*\.out$/),
  ]);
  expect(await here(site, ["info", id, "--stderr"], options)).toEqual({ status: 0, stdout: "", stderr: "err\n" });
  const measured = await here(site, ["info", id, "--perf"], options);
  expect([measured.status, measured.stdout]).toEqual([
    0,
    expect.stringMatching(/^time,cores,memory\n(?:.*,\d+\n){2}$/),
  ]);
  expect(kept(site)).toEqual([`${id}.csv`, `${id}.err`, `${id}.out`]);
  // What is here needs no way there.
  const offline = await here(site, ["info", id, "--stdout"], { env: { HYPERSHELL_SSH_CONFIG: "/dev/null" } });
  expect([offline.status, offline.stdout, offline.stderr]).toEqual([0, stdout, ""]);
});

withSshd("ssh alone does where there is no sftp, here or there, or where ssh.args are set", async () => {
  await using bare = await startSshd({}, false);
  await using site = openSite();
  const id = await ranThere(site, "echo out");
  const bin = join(site.path, "bin");
  mkdirSync(bin);
  symlinkSync(Bun.which("ssh")!, join(bin, "ssh"));
  const plain = configured(site);
  const ways: readonly RunOptions[] = [
    { env: { ...plain.env, HERE_PATH: bin } },
    { env: { HYPERSHELL_SSH_CONFIG: undefined, HYPERSHELL_SSH_ARGS: `${sshd!.args} -o "HostName=127.0.0.1"` } },
    configured(site, { sshd: bare }),
  ];
  for (const options of ways) {
    rmSync(join(site.path, "site/lib/task", `${id}.out`), { force: true });
    expect(await here(site, ["info", id, "--stdout"], options)).toEqual({ status: 0, stdout: "out\n", stderr: "" });
  }
});

for (const shell of ["tcsh", "fish"]) {
  needs([...programs, shell], root)(`a path may have any character where ${shell} is the login shell`, async () => {
    await using bare = await startSshd({}, false, shell);
    await using site = openSite();
    const id = await ranThere(site, "echo out");
    const ended = await here(site, ["info", id, "--stdout"], configured(site, { sshd: bare }));
    expect(ended).toEqual({ status: 0, stdout: "out\n", stderr: "" });
  });
}

withSshd("after another run of the task its new output is shown, not the one that is kept", async () => {
  await using site = openSite();
  const id = await ranThere(site, "cat number");
  const options = configured(site);
  for (const number of ["one\n", "two\n"]) {
    site.write("number", number);
    expect((await site.hs(["update", "--revert", "-f", "-w", `id == ${id}`])).status).toBe(0);
    expect((await here(site, ["info", id, "--stdout"], options)).status).toBe(5);
    await runThere(site);
    expect((await here(site, ["info", id, "--stdout"], options)).stdout).toBe(number);
  }
});

withSshd("hs run prints what the command printed on another host", async () => {
  await using site = openSite();
  const words = ["run", "--", "sh", "-c", "echo out; echo err >&2; exit 3"];
  const running = startHere(site, words, configured(site));
  await running.line(/Waiting on task/);
  await runThere(site);
  const { status, stdout, stderr } = await running.ended;
  expect([status, stdout, linesOf(stderr).at(-1)]).toEqual([3, "out\n", "err"]);
});

withSshd("what keeps a file from being fetched is told in one line, with what to do", async () => {
  await using site = openSite();
  const id = await ranThere(site, "echo out");
  const other = readFileSync(`${sshd!.identity}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
  const noKey = ["IdentityFile none", "PubkeyAuthentication no"];
  const bin = join(site.path, "bin");
  mkdirSync(bin);
  const recorded = (await site.hs(["info", id, "-x", "outpath"])).stdout.trim();
  const failures: readonly (readonly [reason: string, options: RunOptions])[] = [
    ["ssh does not know the key of node77 - call 'ssh node77' once", configured(site, { known: "" })],
    ["node77 has another key than before - find out why", configured(site, { known: other })],
    ["no address is known here for node77", { env: { HYPERSHELL_SSH_CONFIG: "/dev/null" } }],
    ["node77 does not let you in without a question", configured(site, { lines: noKey })],
    ["node77 cannot be reached by ssh", configured(site, { sshd: { ...sshd!, port: 1 } })],
    ["there is no ssh on this host", { env: { HERE_PATH: bin } }],
    ["ssh to node77 failed: ", configured(site, { lines: ["ProxyCommand echo nonsense; exit 1"] })],
  ];
  for (const [reason, options] of failures) {
    const { status, stdout, stderr } = await here(site, ["info", id, "--stdout"], options);
    expect([reason, status, stdout, linesOf(stderr).length]).toEqual([reason, 5, "", 1]);
    expect(stderr).toStartWith(
      `CRITICAL [hypershell.task] Standard output of task (${id}) is on host node77, not on this one (`,
    );
    expect(stderr).toContain(`: '${recorded}' - ${reason}`);
  }
  // Nobody said that the key may be trusted.
  await here(site, ["info", id, "--stdout"], configured(site, { known: "" }));
  expect(site.read(`known-${configurations}`)).toBe("");
  rmSync(recorded);
  const gone = await here(site, ["info", id, "--stdout"], configured(site));
  expect([gone.status, gone.stderr]).toEqual([
    5,
    `CRITICAL [hypershell.task] Standard output of task (${id}) is gone from host node77: '${recorded}'\n`,
  ]);
  const args = { env: { HYPERSHELL_SSH_ARGS: `${sshd!.args} -o "HostName=127.0.0.1"` } };
  expect((await here(site, ["info", id, "--stdout"], args)).stderr).toBe(gone.stderr);
  expect(kept(site)).toEqual([]);
});

withSshd("a name of a host cannot become an option of ssh", async () => {
  await using site = openSite();
  const id = await ranThere(site, "echo out");
  const trap = join(site.path, "trap");
  change(site.database, "update task set client_host = ?", `-oProxyCommand=touch ${trap}`);
  const { status, stderr } = await here(site, ["info", id, "--stdout"], configured(site));
  expect([status, stderr]).toEqual([5, expect.stringContaining("' is not the name of a host")]);
  expect(existsSync(trap)).toBe(false);
});

withSshd("Ctrl-C while a file is being fetched leaves nothing behind", async () => {
  await using site = openSite();
  const id = await ranThere(site, "echo out");
  const slow = configured(site, { lines: [`ProxyCommand sh -c "touch ${site.work}/asked; exec sleep 100"`] });
  const running = startHere(site, ["info", id, "--stdout"], slow);
  await until(() => site.exists("asked"), "ssh is called");
  expect(kept(site)).toHaveLength(1);
  running.kill("SIGINT");
  expect((await running.ended).status).toBe(4);
  expect(kept(site)).toEqual([]);
});
