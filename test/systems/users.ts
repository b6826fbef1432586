/*
 * Two ordinary users, alice and bob, beside root on one machine, for tests of what one of them may see and do of
 * another. They have names, homes and groups of their own, and both are in the group lab. The machine itself is not
 * changed: whatever they run sees files of users and groups, and of root's site, that only it sees. For that the test
 * has to be root.
 *
 *     await using users = openUsers();
 *     await users.alice.run("echo hi > note; chmod 600 note");
 *     expect((await users.bob.run(`cat ${users.alice.home}/note`)).status).toBe(1);
 */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dist, type Ended, openSite, type RunOptions, type Running } from "../e2e/harness.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
  /** 0755, as on many systems; the working directory unless another is given. */
  readonly home: string;
  /** Runs a line of bash, with hs and hsx on the PATH, to its end. `cwd` is an absolute path. */
  readonly run: (line: string, options?: RunOptions) => Promise<Ended>;
  readonly start: (line: string, options?: RunOptions) => Running;
}

export interface Users extends AsyncDisposable {
  readonly alice: User;
  readonly bob: User;
  /** Root, with a home of its own. */
  readonly root: User;
  /** A folder that all of them may enter, and only root may write. */
  readonly path: string;
  /** As /tmp: all may write, and nobody can remove what is another's. */
  readonly tmp: string;
}

/** The group that both are in. */
export const lab = { name: "lab", gid: 47_100 } as const;

const members = [
  { name: "root", uid: 0 },
  { name: "alice", uid: 47_001 },
  { name: "bob", uid: 47_002 },
] as const;

/** Why there are no such users here, for `needs`; null: there are. */
export const whyNoUsers: string | null =
  process.getuid?.() !== 0
    ? "only root can act as other users"
    : Bun.spawnSync(["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/group"]).success
      ? null
      : "nothing can be mounted here";

/**
 * Everything that they started and left is ended when this is disposed of, and their files are removed.
 * `hidesProcesses`: each sees only processes of their own, as with the mount option hidepid.
 */
export function openUsers({ hidesProcesses = false } = {}): Users {
  const site = openSite();
  chmodSync(site.path, 0o755);
  const at = (name: string): string => join(site.path, name);
  for (const name of ["bin", "etc", "var"]) mkdirSync(at(name));
  chmodSync(at("tmp"), 0o1777);
  const accounts = members.map(({ name, uid }) => `${name}:x:${uid}:${uid}::${at(`home/${name}`)}:/bin/bash\n`);
  writeFileSync(at("etc/passwd"), accounts.join(""));
  const groups = members.map(({ name, uid }) => `${name}:x:${uid}:\n`);
  writeFileSync(at("etc/group"), `${groups.join("")}${lab.name}:x:${lab.gid}:alice,bob\n`);
  const enter = [`mount --bind ${at("etc/passwd")} /etc/passwd`, `mount --bind ${at("etc/group")} /etc/group`];
  enter.push(`mount --bind ${at("var")} /var/lib`, `mount --bind ${at("var")} /var/log`);
  if (hidesProcesses) enter.push("mount -t proc -o hidepid=2 proc /proc");
  // The worktree may be in a folder that only root can enter.
  enter.push(`mount --bind ${dist} ${at("bin")}`, 'cd "$WHERE"', "unset WHERE");
  const user = ({ name, uid }: (typeof members)[number]): User => {
    const home = at(`home/${name}`);
    mkdirSync(home);
    chownSync(home, uid, uid);
    const become = `setpriv --reuid=${uid} --regid=${uid} ${uid === 0 ? "--clear-groups" : `--groups=${lab.gid}`}`;
    const own = {
      PATH: `${at("bin")}:/usr/bin:/bin`,
      HOME: home,
      USER: name,
      LOGNAME: name,
      HYPERSHELL_SITE: undefined,
    };
    const start = (line: string, options: RunOptions = {}): Running => {
      const { cwd = home, ...rest } = options;
      const env = { ...own, WHERE: cwd, ...options.env };
      const script = [...enter, `exec ${become} /bin/bash -c '${line.replaceAll("'", `'\\''`)}'`].join(" && ");
      return site.start(["sh", "-c", `exec unshare -m /bin/sh -c '${script.replaceAll("'", `'\\''`)}'`], {
        ...rest,
        env,
      });
    };
    return { name, uid, home, start, run: (line, options) => start(line, options).ended };
  };
  const [root, alice, bob] = [user(members[0]), user(members[1]), user(members[2])];
  return {
    root,
    alice,
    bob,
    path: site.path,
    tmp: at("tmp"),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}
