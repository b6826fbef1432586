/*
 * Clients that launchers bring up, with scripts in place of srun, mpirun and ssh: what they are called with, what
 * becomes of a run when they fail, end early or do not end, and that nothing secret stands on a command line.
 */
import { expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dist, type Ended, linesOf, openSite, type Site, sorted, until } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

/** A program of the place, found on the PATH of those who are given `env`. */
function script(site: Site, name: string, body: string): void {
  chmodSync(site.write(`bin/${name}`, `#!/bin/sh\n${body}\n`), 0o755);
}

function path(site: Site): { PATH: string } {
  return { PATH: `${join(site.work, "bin")}:${dist}:${process.env["PATH"] ?? "/usr/bin:/bin"}` };
}

const query = <Row>(site: Site, sql: string): Row[] => ask(site.database, sql);

function unfinished(site: Site): number {
  return query<{ n: number }>(site, "select count(*) n from task where exit_status is null")[0]!.n;
}

/** The log without what every such run says, the first one of a site of its new certificate. */
function log({ stderr }: Ended): readonly string[] {
  return linesOf(stderr).filter(
    (line) => !/ INFO \[hypershell\.(?:server\] Server listening on |core\.tls\])/.test(line),
  );
}

function numbers(count: number, line: (n: number) => string = (n) => `echo ${n}`): string {
  return Array.from({ length: count }, (_, n) => `${line(n)}\n`).join("");
}

const both = '"$@" &\n"$@" &\nwait';

test("a launcher brings up clients that share the tasks, and nothing is left of them", async () => {
  await using site = openSite();
  script(site, "twice", both);
  // Neither ends before the other is there.
  const wait = "touch $TASK_CLIENT_ID; while [ $(ls | grep -c -- -) -lt 2 ]; do sleep 0.01; done; echo";
  site.write(
    "in",
    numbers(8, (n) => `${wait} ${n}`),
  );
  const ended = await site.hsx(["in", "--launcher=twice"], { env: path(site) });
  const all = Array.from({ length: 8 }, (_, n) => `${n}`);
  expect([ended.status, sorted(ended.stdout), log(ended)]).toEqual([0, all, []]);
  expect(query<{ client_id: string }>(site, "select distinct client_id from task")).toHaveLength(2);
  expect(query(site, "select id from client where disconnected_at is null")).toEqual([]);
  expect(site.left()).toEqual([]);
});

test("a client gets its orders on the command line and the key in the environment", async () => {
  await using site = openSite();
  script(site, "show", 'printf "%s\\n" "$@" >words\nprintf %s "$HYPERSHELL_RUN_KEY" >key\nshift 2\nexec "$@"');
  const words = ["--launcher=show -x 'a b'", "-N3", "-b7", "-w2", "-t", "echo {}", "-d", "0.01", "-S4", "-T9", "-W60"];
  const ended = await site.hsx([...words, "--capture", "-H", "127.0.0.1", "-p", "0", "--no-tls"], {
    stdin: "1\n",
    env: { ...path(site), HYPERSHELL_LOGGING_LEVEL: "debug", HYPERSHELL_SERVER_AUTH: "the-users-own-key-1234" },
  });
  expect([ended.status, ended.stdout]).toEqual([0, ""]);
  const port = /listening on 127\.0\.0\.1:(\d+)/.exec(ended.stderr)?.[1];
  expect(site.lines("words")).toEqual(
    [
      "-x",
      "a b",
      join(dist, "hs"),
      "client",
      "-H",
      "127.0.0.1",
      "-p",
      `${port}`,
      "-N",
      "3",
      "-b",
      "7",
      "-w",
      "2",
    ].concat(["-t", "echo {}", "-d", "0.01", "-S", "4", "--capture", "-T", "9", "-W", "60", "--no-tls"]),
  );
  const key = site.read("key");
  expect(key).toMatch(/^[0-9a-f]{32,128}$/);
  expect(ended.stderr).not.toContain(key);
  expect(ended.stderr).toContain("Launching clients: HYPERSHELL_RUN_KEY='***' show -x 'a b' ");
});

test("a remote program is named by --remote-exe", async () => {
  await using site = openSite();
  script(site, "my hs", 'echo "mine: $1" >&2\nexec hs "$@"');
  script(site, "run", 'exec "$@"');
  const ended = await site.hsx(["--launcher=run", "--remote-exe", join(site.work, "bin", "my hs")], {
    stdin: "echo 1\n",
    env: path(site),
  });
  expect([ended.status, ended.stdout, log(ended)]).toEqual([0, "1\n", ["mine: client"]]);
});

test("tasks see what is exported, by the configuration and by the environment", async () => {
  await using site = openSite();
  script(site, "run", 'exec "$@"');
  site.write("../site/config.toml", '[export]\nfoo = "from file"\n');
  const ended = await site.hsx(["--launcher=run"], {
    stdin: 'echo "$FOO, $BAR"\n',
    env: { ...path(site), HYPERSHELL_EXPORT_BAR: "from environment" },
  });
  expect([ended.status, ended.stdout]).toEqual([0, "from file, from environment\n"]);
});

test("launchers do not have the user's own keys and passwords, and tasks not even that of the run", async () => {
  await using site = openSite();
  script(site, "run", 'env >environment\nprintf %s "$HYPERSHELL_RUN_KEY" >key\nexec "$@"');
  const own = "the-users-own-key-1234";
  const ended = await site.hsx(["--launcher=run"], {
    stdin: "env\n",
    env: { ...path(site), HYPERSHELL_SERVER_AUTH: own, PGPASSWORD: own, HYPERSHELL_SERVER_POLL: "29" },
  });
  expect(ended.status).toBe(0);
  expect(site.read("environment")).toContain("HYPERSHELL_SERVER_POLL=29\n");
  for (const text of [site.read("environment"), ended.stdout]) expect(text).not.toContain(own);
  expect([site.read("key").length, ended.stdout.includes(site.read("key"))]).toEqual([128, false]);
});

test("an mpirun of Open MPI is told to hand the key on, another is not", async () => {
  for (const [version, handsOn] of [
    ["mpirun (Open MPI) 4.1.4", true],
    ["HYDRA build details:", false],
  ] as const) {
    await using site = openSite();
    const skip = 'while [ "$1" = -x ]; do echo "$2" >>handed; shift 2; done';
    script(site, "mpirun", `if [ "$1" = --version ]; then echo "${version}"; exit; fi\n${skip}\n${both}`);
    const ended = await site.hsx(["--mpi"], { stdin: numbers(4), env: path(site) });
    expect([ended.status, sorted(ended.stdout), log(ended)]).toEqual([0, ["0", "1", "2", "3"], []]);
    expect(site.lines("handed").includes("HYPERSHELL_RUN_KEY")).toBe(handsOn);
  }
});

test("a launcher that is not there ends the run with one line and status 5, and nothing is stored", async () => {
  await using site = openSite();
  for (const name of ["no-such-launcher", "./no-such-launcher", "/"]) {
    const ended = await site.hsx([`--launcher=${name} -n2`], { stdin: numbers(3) });
    expect([ended.status, ended.stdout]).toEqual([5, ""]);
    expect(linesOf(ended.stderr)).toHaveLength(1);
    expect(ended.stderr).toMatch(/^CRITICAL \[hypershell.cluster\] The launcher '\S+' (cannot|may not) be /);
  }
  const { stderr } = await site.hsx(["--ssh", "a"], { stdin: numbers(3), env: { PATH: "/nowhere" } });
  expect(stderr).toContain("The launcher 'ssh' cannot be found (is it on the PATH?)");
  expect(site.exists(site.database)).toBe(false);
});

test("a launcher that fails ends the run with its status and its last words, and --restart goes on", async () => {
  await using site = openSite();
  script(site, "broken", "echo 'no such partition' >&2\nexit 3");
  const ended = await site.hsx(["--launcher=broken"], { stdin: numbers(3), env: path(site) });
  expect(ended.status).toBe(5);
  expect(log(ended).filter((line) => line.includes("CRITICAL"))).toEqual([
    "CRITICAL [hypershell.cluster] No client is left, " +
      "what did not finish waits in the database (--restart) - " +
      "Launcher 'broken' ended with status 3: no such partition",
  ]);
  script(site, "mended", 'exec "$@"');
  const again = await site.hsx(["--restart", "--launcher=mended"], { env: path(site) });
  expect([again.status, sorted(again.stdout)]).toEqual([0, ["0", "1", "2"]]);
});

/** The task of a client that is killed too early for anybody to look after it. */
const stoppable = "touch started; while [ ! -e stop ]; do sleep 0.01; done";
const doomed = '"$@" &\nwhile [ ! -e started ]; do sleep 0.01; done\nkill -9 $!\ntouch stop\nexit';

test("a launcher whose clients are killed in the middle ends the run, and all that did not end waits", async () => {
  await using site = openSite();
  script(site, "doomed", `${doomed} 0`);
  site.write("in", `echo 1\n${stoppable}\n${numbers(30_000)}`);
  const ended = await site.hsx(["in", "--launcher=doomed"], { env: path(site) });
  expect([ended.status, ended.stdout]).toEqual([5, "1\n"]);
  expect(ended.stderr).toMatch(/CRITICAL .*No client is left, .* launcher 'doomed' ended before the tasks did/);
  // The first may not have been recorded yet.
  expect([30_001, 30_002]).toContain(unfinished(site));
  await site.deserted();
});

test("without a database, what nobody is left to run is in the failure file, read or not", async () => {
  await using site = openSite();
  script(site, "doomed", `${doomed} 1`);
  const rest = linesOf(numbers(30_000));
  site.write("in", `echo first\n${stoppable}\n${rest.join("\n")}\n`);
  const ended = await site.hsx(["in", "--launcher=doomed", "--no-db", "-f", "failed"], { env: path(site) });
  expect([ended.status, ended.stdout]).toEqual([5, "first\n"]);
  expect(ended.stderr).toMatch(/3000[12] tasks were not run/);
  expect(ended.stderr).toContain("what did not finish is in the failure file");
  // The first may not have been recorded yet.
  const left = site.lines("failed").filter((line) => line !== "echo first");
  expect(left.toSorted()).toEqual([stoppable, ...rest].toSorted());
});

test("tasks of a lost client run on another that lives, and the run succeeds", async () => {
  await using site = openSite();
  const untilBoth = "while [ $(ls seen | wc -l) -lt 2 ]; do sleep 0.01; done";
  script(site, "one-dies", `mkdir seen\n"$@" &\nfirst=$!\n"$@" &\n${untilBoth}\nkill -9 $first\ntouch go\nwait`);
  const line = `touch seen/$TASK_CLIENT_ID; ${untilBoth}; while [ ! -e go ]; do sleep 0.01; done; echo`;
  site.write(
    "in",
    numbers(10, (n) => `${line} ${n}`),
  );
  const ended = await site.hsx(["in", "--launcher=one-dies"], {
    env: { ...path(site), HYPERSHELL_SERVER_GRACE: "1" },
  });
  const all = Array.from({ length: 10 }, (_, n) => `${n}`);
  expect([ended.status, [...new Set(sorted(ended.stdout))]]).toEqual([0, all]);
  expect(ended.stderr).toContain("Reverting orphaned tasks");
  expect(unfinished(site)).toBe(0);
});

test("a client that comes when all is done is sent away again", async () => {
  await using site = openSite();
  script(site, "late", '"$@"\n"$@"\necho "second: $?" >&2');
  const ended = await site.hsx(["--launcher=late"], { stdin: numbers(2), env: path(site) });
  expect([ended.status, sorted(ended.stdout), log(ended)]).toEqual([0, ["0", "1"], ["second: 0"]]);
});

test("a launcher that fails after the last task is told of, and does not make the run fail", async () => {
  await using site = openSite();
  script(site, "grumpy", '"$@"\necho "lost a node" >&2\nexit 9');
  const ended = await site.hsx(["--launcher=grumpy"], { stdin: numbers(2), env: path(site) });
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["0", "1"]]);
  expect(log(ended)).toEqual([
    "lost a node",
    " WARNING [hypershell.cluster] Launcher 'grumpy' ended with status 9: lost a node",
  ]);
});

test("an idle limit sends no client away while the input is open, nor with --forever", async () => {
  for (const store of ["", "--no-db"]) {
    await using site = openSite();
    const line = `(seq 3; sleep 3.5; seq 4 10) | hsx -T1 -N2 -t 'echo {}' --launcher=env -H 127.0.0.1 ${store}`;
    const { status, stdout } = await site.shell(line);
    expect([status, sorted(stdout)]).toEqual([0, Array.from({ length: 10 }, (_, n) => `${n + 1}`)]);
  }
  await using site = openSite();
  const run = site.start(["hsx", "--forever", "-T1", "--launcher=env", "-H", "127.0.0.1"]);
  await run.line(/Scheduler will run forever/);
  await site.shell("sleep 3; hs submit echo late");
  await run.line(/^late$/);
  run.kill("SIGUSR1");
  expect((await run.ended).status).toBe(0);
});

test("when no more input can come, a client without tasks leaves while another works", async () => {
  await using site = openSite();
  script(site, "twice", both);
  const running = site.start(["hsx", "--launcher=twice", "-T1", "-N1"], {
    stdin: "until [ -e go ]; do sleep 0.05; done; echo done\n",
    env: { ...path(site), HYPERSHELL_CLIENT_HEARTRATE: "1", HYPERSHELL_LOGGING_LEVEL: "debug" },
  });
  await running.line(/Client leaves: idle timeout/);
  site.write("go", "");
  const ended = await running.ended;
  expect([ended.status, ended.stdout]).toEqual([0, "done\n"]);
  expect(ended.stderr.match(/Client leaves: idle timeout/g)).toHaveLength(1);
});

test("a client that was started by hand leaves when it is idle, whatever its server still waits for", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--no-db", "-"], { keepOpen: true });
  server.type("echo 1\n");
  const client = await startClient(site, port, ["-T1"]).ended;
  expect([client.status, client.stdout]).toEqual([0, "1\n"]);
  server.closeStdin();
  expect((await server.ended).status).toBe(0);
});

test("tasks that fail make status 7 and are in the failure file", async () => {
  await using site = openSite();
  script(site, "twice", both);
  const ended = await site.hsx(["--launcher=twice", "-f", "failed"], { stdin: "true\nfalse\n", env: path(site) });
  expect([ended.status, site.lines("failed")]).toEqual([7, ["false"]]);
});

test("an empty input, and a restart with nothing left, end at once", async () => {
  await using site = openSite();
  script(site, "run", 'exec "$@"');
  const env = path(site);
  expect((await site.hsx(["--launcher=run"], { stdin: "", env })).status).toBe(0);
  expect((await site.hsx(["--launcher=run"], { stdin: "echo 1\n", env })).stdout).toBe("1\n");
  expect((await site.hsx(["--restart", "--launcher=run"], { env })).status).toBe(0);
});

test("two runs on one host take two ports", async () => {
  await using site = openSite();
  await using other = openSite();
  for (const each of [site, other]) script(each, "run", 'exec "$@"');
  const line = "while [ ! -e done ]; do sleep 0.01; done";
  const first = site.start(["hsx", "--launcher=run"], { stdin: `${line}\n`, env: path(site) });
  const second = other.start(["hsx", "--launcher=run"], { stdin: `${line}\n`, env: path(other) });
  const ports = await Promise.all([first, second].map((each) => each.line(/listening on \S+:\d+$/)));
  expect(new Set(ports.map((text) => text.replace(/.*:/, ""))).size).toBe(2);
  site.write("done", "");
  other.write("done", "");
  expect((await Promise.all([first.ended, second.ended])).map(({ status }) => status)).toEqual([0, 0]);
});

// ---- signals

const hold = "touch started; sleep 60";

test("Ctrl-C stops clients and tasks over the wire, leaves nobody behind, and --restart goes on", async () => {
  await using site = openSite();
  script(site, "twice", both);
  const running = site.start(["hsx", "--launcher=twice"], { stdin: `${hold}\n${hold}\necho 3\n`, env: path(site) });
  await until(() => site.exists("started"), "a task starts");
  running.kill("SIGINT");
  const ended = await running.ended;
  expect(ended.status).toBe(4);
  expect(log(ended).filter((line) => line.includes("CRITICAL"))).toEqual([
    "CRITICAL [hypershell] keyboard-interrupt: going down now!",
  ]);
  await site.deserted();
  expect(unfinished(site)).toBeGreaterThanOrEqual(2);
});

test("a second Ctrl-C waits for no task that heeds no signal", async () => {
  await using site = openSite();
  script(site, "run", 'exec "$@"');
  const running = site.start(["hsx", "--launcher=run", "-S60"], {
    stdin: "trap '' INT TERM; touch started; while :; do sleep 0.05; done\n",
    env: { ...path(site), HYPERSHELL_LOGGING_LEVEL: "debug" },
  });
  await until(() => site.exists("started"), "a task starts");
  running.kill("SIGINT");
  await running.line(/Sending SIGINT/);
  running.kill("SIGINT");
  expect((await running.ended).status).toBe(4);
  await site.deserted();
});

test("Ctrl-C does not wait for a launcher that has brought up no client", async () => {
  await using site = openSite();
  script(site, "queued", "touch started\nsleep 1000");
  const running = site.start(["hsx", "--launcher=queued"], { stdin: numbers(2), env: path(site) });
  await until(() => site.exists("started") && unfinished(site) === 2, "it starts, and the input is read");
  running.kill("SIGINT");
  const ended = await running.ended;
  expect([ended.status, unfinished(site)]).toEqual([4, 2]);
  expect(site.left()).toEqual([]);
});

test("SIGTERM stops the run and its clients, with status 143", async () => {
  await using site = openSite();
  script(site, "twice", both);
  const running = site.start(["hsx", "--forever", "--launcher=twice"], { stdin: `${hold}\n`, env: path(site) });
  await until(() => site.exists("started"), "a task starts");
  running.kill("SIGTERM");
  expect((await running.ended).status).toBe(143);
  await site.deserted();
});

/** Goes on for ever, but not a second time. */
const held = "touch started; [ -e on ] || sleep 60";

test("kill -9 of a run ends its launchers and clients on this machine, and --restart goes on", async () => {
  await using site = openSite();
  script(site, "twice", both);
  const running = site.start(["hsx", "--launcher=twice"], { stdin: `${held}\n${held}\necho 3\n`, env: path(site) });
  await until(() => site.exists("started"), "a task starts");
  await guarded(site);
  running.kill("SIGKILL");
  await site.deserted();
  expect(unfinished(site)).toBe(3);
  site.write("on", "");
  // Clients that are out of reach could come back for so long.
  const env = { ...path(site), HYPERSHELL_SERVER_GRACE: "1" };
  const again = await site.hsx(["--restart", "--launcher=twice"], { env });
  expect([again.status, again.stdout]).toEqual([0, "3\n"]);
});

/** Waits until the shell that outlives a run has heard what it would have to end. */
async function guarded(site: Site): Promise<void> {
  const [server] = query<{ id: string }>(site, "select id from server");
  const find = (): string | undefined =>
    readdirSync("/proc").find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").endsWith(`\0TASK_CLIENT_ID=${server!.id}\0`);
      } catch {
        return false;
      }
    });
  await until(() => find() !== undefined, "somebody watches");
  // It reads what it was told when it was started, and waits for more.
  await until(() => /^State:\tS/m.test(readFileSync(`/proc/${find()}/status`, "latin1")), "it waits");
}

test("SIGUSR1 lets running tasks end and starts no more", async () => {
  await using site = openSite();
  script(site, "run", 'exec "$@"');
  const lines = "touch started; while [ ! -e go ]; do sleep 0.01; done; echo 1\necho 2\n";
  const running = site.start(["hsx", "--launcher=run"], { stdin: lines, env: path(site) });
  await until(() => site.exists("started"), "a task starts");
  running.kill("SIGUSR1");
  await running.line(/SIGUSR1: draining, 1 task still runs$/);
  site.write("go", "");
  const ended = await running.ended;
  expect([ended.status, ended.stdout]).toEqual([7, "1\n"]);
  expect(unfinished(site)).toBe(1);
});

test("SIGUSR2 stops running tasks, and their outcomes count", async () => {
  await using site = openSite();
  script(site, "run", 'exec "$@"');
  const running = site.start(["hsx", "--launcher=run"], { stdin: `${hold}\necho 2\n`, env: path(site) });
  await until(() => site.exists("started"), "a task starts");
  running.kill("SIGUSR2");
  const ended = await running.ended;
  expect([ended.status, ended.stdout]).toEqual([7, ""]);
  expect(query<{ exit_status: number }>(site, "select exit_status from task order by args desc")).toEqual([
    { exit_status: 130 },
    { exit_status: null as unknown as number },
  ]);
  await site.deserted();
});

test("a launcher that stays when its clients have left, and heeds no SIGTERM, is ended", async () => {
  await using site = openSite();
  script(site, "stays", "trap '' TERM\n\"$@\"\ntouch stays\nsleep 1000 &\nwait\nwait");
  const running = site.start(["hsx", "--launcher=stays"], { stdin: "echo 1\n", env: path(site) });
  await until(() => site.exists("stays"), "the client has left");
  // Without it there would be more patience.
  running.kill("SIGINT");
  expect((await running.ended).stdout).toBe("1\n");
  expect(site.left()).toEqual([]);
});

// ---- ssh

/** As sshd does it: the login shell gets one line. What a host named `bad...` does is a parameter. */
const ssh = `printf '%s\\n' "$@" >>ssh-words
while [ $# -gt 2 ]; do shift; done
case $1 in bad*) echo "ssh: connect to host $1 port 22: No route to host" >&2; exit 255 ;; esac
exec env -i HOME="$HOME" PATH=/usr/bin:/bin HYPERSHELL_SITE="$HYPERSHELL_SITE" HS_TEST_PLACE="$HS_TEST_PLACE" \\
  HOST_NAME="$1" /bin/sh -c "$2"`;

test("ssh brings up a client on each host of a pattern, and the key is on no command line", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const wait = 'touch "$HOST_NAME"; while [ $(ls -d a0* | wc -l) -lt 3 ]; do sleep 0.01; done; echo $HOST_NAME';
  const ended = await site.hsx(["--ssh", "a[00-02]", "--ssh-args=-p 2222 -o 'User=me too'"], {
    stdin: numbers(12, () => wait),
    env: { ...path(site), HYPERSHELL_LOGGING_LEVEL: "debug" },
  });
  expect([ended.status, [...new Set(sorted(ended.stdout))]]).toEqual([0, ["a00", "a01", "a02"]]);
  expect(site.read("ssh-words")).not.toMatch(/[0-9a-f]{32}/);
  expect(site.lines("ssh-words").slice(0, 4)).toEqual(["-p", "2222", "-o", "User=me too"]);
  expect(linesOf(ended.stderr).filter((line) => line.includes("Launching client: ssh -p 2222 "))).toHaveLength(3);
});

test("a template with every kind of quote reaches the clients of ssh as it is", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const template = `printf '%s|' "it's {}" "\\"$TASK_ARGS\\"" '$HOME' \\\\ '\`x\`' "a  b" '!;&#*~'`;
  const ended = await site.hsx(["--ssh", "a", "-t", template], { stdin: "1\n", env: path(site) });
  expect([ended.status, ended.stdout]).toEqual([0, `it's 1|"1"|$HOME|\\|\`x\`|a  b|!;&#*~|`]);
});

test("a host that cannot be reached is told of, and the others go on", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const running = site.start(["hsx", "--ssh", "a,bad,b"], {
    stdin: numbers(4, (n) => `while [ ! -e told ]; do sleep 0.01; done; echo ${n}`),
    env: path(site),
  });
  await running.line(/WARNING \[hypershell.cluster\] Client on bad ended with status 255: ssh: connect to host bad/);
  site.write("told", "");
  const ended = await running.ended;
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["0", "1", "2", "3"]]);
});

test("a host that does not answer is named at the end, and the others do its work", async () => {
  await using site = openSite();
  script(site, "ssh", `case "$*" in *mute*) exec sleep 1000 ;; esac\n${ssh}`);
  const ended = await site.hsx(["--ssh", "a,mute,b"], { stdin: numbers(20), env: path(site) });
  expect([ended.status, linesOf(ended.stdout).length, log(ended)]).toEqual([
    0,
    20,
    [" WARNING [hypershell.cluster] Client on mute did not end when all was done, and was made to"],
  ]);
  expect(site.left()).toEqual([]);
});

test("a run none of whose hosts can be reached ends with status 5", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const ended = await site.hsx(["--ssh", "bad[1-2]"], { stdin: numbers(2), env: path(site) });
  expect(ended.status).toBe(5);
  const reason = /ended with status 255: ssh: connect to host bad\d port 22: No route to host/;
  expect(ended.stderr).toMatch(new RegExp(`CRITICAL .*No client is left, .* Client on bad\\d ${reason.source}`));
  expect(unfinished(site)).toBe(2);
});

test("hosts and arguments of ssh can stand in the configuration", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const file = (text: string): string => site.write("../site/config.toml", text);
  const run = (...words: string[]): Promise<Ended> => site.hsx(words, { stdin: "echo $HOST_NAME\n", env: path(site) });

  file('[ssh]\nargs = "-4 -q"\nnodelist = "n[1-1]"\n');
  expect((await run("--ssh")).stdout).toBe("n1\n");
  expect(site.lines("ssh-words").slice(0, 3)).toEqual(["-4", "-q", "n1"]);
  file('[ssh.nodelist]\ngpu = ["g1"]\ncpu = "c[07-07]"\n');
  expect((await run("--ssh", "--ssh-group=cpu")).stdout).toBe("c07\n");
  expect((await run("--ssh", "--ssh-group", "gpu")).stdout).toBe("g1\n");
  for (const words of [["--ssh"], ["--ssh", "--ssh-group=tpu"]]) {
    const { status, stderr } = await run(...words);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^CRITICAL \[hypershell.cluster\] ssh.nodelist has .*config.toml\)\n$/);
  }
});

test("with -E the clients of ssh have our settings, whatever characters are in them, but no secrets", async () => {
  await using site = openSite();
  script(site, "ssh", ssh);
  const value = `secret "b" 'c' $d \\e`;
  const ended = await site.hsx(["--ssh", "a", "-E", "--no-db"], {
    stdin: 'printf %s "$TEXT$HYPERSHELL_DATABASE_PASSWORD"; cat /proc/[0-9]*/cmdline > lines 2>&1 || true\n',
    env: {
      ...path(site),
      HYPERSHELL_EXPORT_TEXT: value,
      HYPERSHELL_DATABASE_PASSWORD: "tell-no-one",
      HYPERSHELL_LOGGING_LEVEL: "debug",
    },
  });
  expect([ended.status, ended.stdout]).toEqual([0, value]);
  expect(ended.stderr).toMatch(/Launching client: ssh a .* \(and over standard input: .*HYPERSHELL_EXPORT_TEXT/);
  const visible = site.read("ssh-words") + site.read("lines") + ended.stderr;
  for (const secret of ["tell-no-one", 'secret "b"']) expect(visible).not.toContain(secret);
});

// ---- what does not go together

const refused: readonly (readonly [words: readonly string[], line: string])[] = [
  [["--ssh", "a", "--mpi"], "argument --mpi: not allowed with argument --ssh"],
  [["--mpi", "--launcher=x"], "argument --launcher: not allowed with argument --mpi"],
  [["--mpi", "-o", "out"], "argument -o/--output: not allowed with argument --mpi"],
  [["--ssh", "a", "-e", "err"], "argument -e/--errors: not allowed with argument --ssh"],
  [["--launcher=x", "--capture", "-o", "out"], "argument --capture: not allowed with argument -o/--output"],
  [["--ssh-args=-v"], "argument --ssh-args: only allowed with argument --ssh"],
  [["--ssh", "a", "--ssh-group=b"], "argument --ssh-group: only allowed with argument --ssh without HOST"],
  [["--ssh-group=b"], "argument --ssh-group: only allowed with argument --ssh without HOST"],
  [["-H", "0.0.0.0"], "argument -H/--bind: '0.0.0.0' makes sense only with clients elsewhere"],
  [["--launcher="], "argument --launcher: names no program"],
  [["--launcher=srun 'x"], "argument --launcher: a quote (') is not closed"],
  [["--mpi", "-p", "65536"], "argument -p/--port: must be at most 65535"],
  [["--mpi", "-p", "http"], "argument -p/--port: invalid int value: 'http'"],
  [["--ssh", ","], "argument --ssh: no host is named"],
  [["--ssh", "a[1, 2]"], "argument --ssh: 'a[1, 2]' cannot be the name of a host"],
  [["--mpi", "--restart", "--no-db"], "--restart continues from a database"],
  [["--mpi", "-t", "{[1:x]}"], "{[1:x]}"],
];

test.each(refused)("hsx %j is refused with status 2 before anything starts", async (words, line) => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.hsx(words, { stdin: "echo 1\n" });
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toStartWith("CRITICAL [hypershell] ");
  expect(stderr).toContain(line);
  expect(site.exists("out")).toBe(false);
});

test("a port that is taken, and is not the default, is refused with status 5", async () => {
  await using site = openSite();
  const taken = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data: () => undefined } });
  try {
    const ended = await site.hsx(["--launcher=true", "-p", `${taken.port}`], { stdin: "echo 1\n" });
    expect(ended.status).toBe(5);
    expect(log(ended)).toEqual([expect.stringMatching(/CRITICAL .*in use/)]);
  } finally {
    taken.stop(true);
  }
});
