/*
 * Users and groups of this system: their names, and whether a group is one user's alone. Facts of the operating system
 * only.
 */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

/** The user's login name; `uid:1234` when nothing knows a name (containers often run without an entry in passwd). */
export function userName(env: Readonly<Record<string, string | undefined>> = process.env): string {
  for (const variable of ["LOGNAME", "USER", "LNAME", "USERNAME"]) {
    const name = env[variable];
    if (name !== undefined && name !== "") return name;
  }
  const uid = process.getuid?.();
  if (uid === undefined) return userInfo().username;
  // Not os.userInfo(): Bun answers "unknown" there when $USER is not set.
  return nameOfUser(uid) ?? `uid:${uid}`;
}

/** The login name of a user; null when nothing knows one (containers often run without an entry in passwd). */
function nameOfUser(uid: number): string | null {
  return entriesOf("passwd", uid)[0]?.[0] ?? null;
}

/** A user as messages name one: the login name, or `user 1234`. */
export function describedUser(uid: number): string {
  return nameOfUser(uid) ?? `user ${uid}`;
}

/** A group as messages name one: the name, or the number. */
export function describedGroup(gid: number): string {
  return entriesOf("group", gid)[0]?.[0] ?? String(gid);
}

/**
 * Whether a group is the one that many systems give each user, with nobody else in it. It has the name of the user
 * then: who else has it as the first group can be seen only of the users in the files of this host.
 */
export function isGroupOfOne(gid: number, uid: number): boolean {
  const name = nameOfUser(uid);
  const groups = entriesOf("group", gid);
  if (name === null || groups.length === 0 || groups.some((fields) => fields[0] !== name)) return false;
  const members = groups.flatMap((fields) => (fields[3] ?? "").split(",")).filter((member) => member !== "");
  const first = linesOf(fileText("passwd")).filter((fields) => fields[3] === String(gid) && fields[2] !== String(uid));
  return members.every((member) => member === name || member === "root") && first.every((fields) => fields[2] === "0");
}

/** The entries of a user or group. Those that are not in the files of this host may be in a directory of many hosts. */
function entriesOf(database: "passwd" | "group", id: number): readonly (readonly string[])[] {
  const own = linesOf(fileText(database)).filter((fields) => fields[2] === String(id));
  return own.length > 0 ? own : linesOf(directoryText(database, id));
}

function linesOf(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .map((line) => line.trimEnd().split(":"))
    .filter((fields) => fields.length >= 4 && fields[0] !== "");
}

function fileText(database: "passwd" | "group"): string {
  try {
    return readFileSync(`/etc/${database}`, "utf8");
  } catch {
    return "";
  }
}

/**
 * What LDAP and the like know, as getent(1) says it, or dscacheutil(1) of macOS, where the files have no people. It
 * takes milliseconds, where something looks odd.
 */
function directoryText(database: "passwd" | "group", id: number): string {
  if (process.platform !== "darwin") return printedBy(["/usr/bin/getent", database, String(id)]);
  const query = database === "passwd" ? ["user", "-a", "uid"] : ["group", "-a", "gid"];
  return linesOfDirectory(printedBy(["/usr/bin/dscacheutil", "-q", ...query, String(id)]));
}

function printedBy(words: string[]): string {
  try {
    // Whoever runs for another user can be read by that one, with what it inherits.
    return Bun.spawnSync(words, { stdin: "ignore", stdout: "pipe", stderr: "ignore", env: {} }).stdout.toString("utf8");
  } catch {
    return "";
  }
}

/** The lines that passwd or group would have of what dscacheutil prints: blocks of `name: value`. */
export function linesOfDirectory(printed: string): string {
  return printed
    .split(/\n\s*\n/)
    .map((block) => new Map(Array.from(block.matchAll(/^(\w+): ?(.*)$/gm), ([, name, value]) => [name!, value!])))
    .filter((fields) => fields.has("name") && fields.has("gid"))
    .map((fields) => {
      const [name, uid, gid] = ["name", "uid", "gid"].map((key) => fields.get(key));
      const users = (fields.get("users") ?? "").trim().replace(/ +/g, ",");
      return uid === undefined ? `${name}:*:${gid}:${users}` : `${name}:*:${uid}:${gid}`;
    })
    .join("\n");
}
