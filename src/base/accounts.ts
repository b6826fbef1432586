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
  return linesOf("passwd").find((fields) => fields[2] === String(uid))?.[0] ?? null;
}

/** A user as messages name one: the login name, or `user 1234`. */
export function describedUser(uid: number): string {
  return nameOfUser(uid) ?? `user ${uid}`;
}

/** A group as messages name one: the name, or the number. */
export function describedGroup(gid: number): string {
  return linesOf("group").find((fields) => fields[2] === String(gid))?.[0] ?? String(gid);
}

/**
 * Whether a group is the one that many systems give each user, with nobody else in it. It has the name of the user
 * then. A group that the files of this host do not know counts as one of several: its members cannot be told.
 */
export function isGroupOfOne(gid: number, uid: number): boolean {
  const name = nameOfUser(uid);
  const groups = linesOf("group").filter((fields) => fields[2] === String(gid));
  if (name === null || groups.length === 0 || groups.some((fields) => fields[0] !== name)) return false;
  const members = groups.flatMap((fields) => (fields[3] ?? "").split(",")).filter((member) => member !== "");
  // Whoever has it as the first group is not in its list.
  const first = linesOf("passwd").filter((fields) => fields[3] === String(gid) && fields[2] !== String(uid));
  return members.every((member) => member === name || member === "root") && first.every((fields) => fields[2] === "0");
}

/** The fields of each line of /etc/passwd or /etc/group; none where there is no such file. */
function linesOf(name: "passwd" | "group"): readonly (readonly string[])[] {
  try {
    return readFileSync(`/etc/${name}`, "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .filter((fields) => fields.length >= 4 && fields[0] !== "");
  } catch {
    return [];
  }
}
