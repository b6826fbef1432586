/*
 * An sshd of our own for tests: its own port, host key, user key and settings, nothing of the user's. It listens on
 * 127.0.0.1 to 127.0.0.3, so that there are three hosts. Needs root and Debian's openssh-server and openssh-client.
 * Knows nothing of hs.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/harness.ts";
import { freePorts } from "./ports.ts";

export const sshPrograms = ["sshd", "ssh", "ssh-keygen"] as const;

export interface Sshd extends AsyncDisposable {
  /** What `ssh` has to be called with, as one word for --ssh-args. */
  readonly args: string;
  readonly port: number;
  /** The file with the key of a user that is let in. */
  readonly identity: string;
  /** The host's own key, as a file of known hosts has it behind the names. */
  readonly hostKey: string;
  /**
   * Ids of the processes that were started over it and still run; they stay when their connection ends, unless they are
   * ended here.
   */
  readonly left: () => readonly number[];
}

/** Set for everybody who logs in, and inherited by all that they start. */
const marker = "HS_TEST_SSHD";

/**
 * `environment`: what who logs in finds set. `sftp`: whether files can be fetched with it. `shell`: the login shell in
 * place of that of the user.
 */
export async function startSshd(
  environment: Readonly<Record<string, string>> = {},
  sftp = true,
  shell: string | null = null,
): Promise<Sshd> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-sshd-")));
  const at = (name: string): string => join(folder, name);
  const [port] = freePorts(1);
  // sshd wants this folder for its helpers, wherever else everything is.
  mkdirSync("/run/sshd", { recursive: true });
  for (const name of ["host", "user"]) await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  writeFileSync(at("authorized"), await Bun.file(at("user.pub")).text());
  const setEnv = Object.entries({ ...environment, [marker]: folder }).map(([name, value]) => `${name}="${value}"`);
  writeFileSync(
    at("sshd_config"),
    [
      `Port ${port}`,
      ...["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((address) => `ListenAddress ${address}`),
      `HostKey ${at("host")}`,
      `PidFile ${at("pid")}`,
      `AuthorizedKeysFile ${at("authorized")}`,
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "MaxStartups 100",
      `SetEnv ${setEnv.join(" ")}`,
      ...(sftp ? ["Subsystem sftp internal-sftp"] : []),
      // As sshd itself calls a login shell.
      ...(shell === null ? [] : [`ForceCommand exec ${shell} -c "$SSH_ORIGINAL_COMMAND"`]),
      "",
    ].join("\n"),
  );
  const sshd = Bun.which("sshd") ?? "/usr/sbin/sshd";
  const child = Bun.spawn([sshd, "-D", "-e", "-f", at("sshd_config")], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(at("log")),
  });
  const settings = ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"].concat(
    `UserKnownHostsFile=${at("known")}`,
  );
  const words = ["-F", "/dev/null", "-p", `${port}`, "-i", at("user")].concat(settings.flatMap((each) => ["-o", each]));
  const left = (): readonly number[] => processesWith(`${marker}=${folder}`);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
    await until(
      () => {
        for (const pid of left()) kill(pid);
        return left().length === 0;
      },
      () => `cannot be killed: ${left().join(" ")}`,
    );
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(
      async () => (await status(["ssh", ...words, "127.0.0.1", "true"])) === 0,
      `sshd does not let in, see ${at("log")}`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const hostKey = readFileSync(at("host.pub"), "utf8").split(" ").slice(0, 2).join(" ");
  return { args: words.join(" "), port: port ?? 0, identity: at("user"), hostKey, left, [Symbol.asyncDispose]: stop };
}

/** All that have this `NAME=VALUE` in the environment they were started with; one that has ended has none. */
function processesWith(assignment: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(assignment);
      } catch {
        // Gone while we looked.
        return false;
      }
    });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

function status(words: readonly string[]): Promise<number> {
  return Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).exited;
}

async function run(words: readonly string[]): Promise<void> {
  const ended = await status(words);
  if (ended !== 0) throw new Error(`${words.join(" ")} ended with status ${ended}`);
}
