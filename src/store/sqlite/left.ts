/*
 * Outcomes that a server which has died left beside the database (lingering.ts), and how they get into their rows. What
 * is in the file may be recorded already, so it counts only for tasks that this server still holds.
 *
 * The file has a line of JSON for each commit. The last line may be cut off: its outcomes were never acknowledged.
 */
import { readFileSync, rmSync } from "node:fs";
import { failureCode, failureReason } from "../../base/paths.ts";
import { runtimeError } from "../../base/errors.ts";
import type { Commit, Completion } from "../store.ts";
import { type Commits, prepareCommits } from "./commits.ts";
import type { Connection } from "./connection.ts";

/** The path of the file in which the server `serverId` of the database `file` keeps outcomes. */
export function leftPath(file: string, serverId: string): string {
  return `${file}-outcomes-${serverId}`;
}

/** What is kept of a commit that has nothing but outcomes. */
type Left = Pick<Commit, "serverId" | "serverHost" | "at" | "completed">;

/** The line of a commit. */
export function leftLine({ serverId, serverHost, at, completed }: Left): string {
  const left: Left = { serverId, serverHost, at, completed };
  return `${JSON.stringify(left)}\n`;
}

/**
 * Records what the server `serverId`, which is gone, left beside the database, and removes the file. Answers how many
 * outcomes were recorded. Throws a UserError when the file cannot be read, and what the database throws.
 */
export function recordLeft(connection: Connection, serverId: string, commits?: Commits): number {
  const path = leftPath(connection.file, serverId);
  const left = linesOf(path).map(leftOf);
  const last = left.findLast((each) => each !== null);
  let count = 0;
  if (last !== undefined && last !== null) {
    const all = left.flatMap((each) => each?.completed ?? []);
    const isHeld = connection.db.query("select 1 from task where id = ? and server_id = ? and completion_time is null");
    const writer = commits ?? connection.read(() => prepareCommits(connection, new Map()));
    const { serverHost, at } = last;
    count = connection.write(() => {
      const completed = all.filter(({ id }) => isHeld.get(id, serverId) !== null);
      const rest = { assigned: [], started: [], reverted: [], recalled: [] };
      const refused = writer.commit({ serverId, serverHost, at, completed, ...rest });
      return completed.length - refused.length;
    });
  }
  rmSync(path, { force: true });
  return count;
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch (error) {
    if (failureCode(error) === "ENOENT") return [];
    const what = `'${path}' has outcomes of a server that is gone, and cannot be read (${failureReason(error)})`;
    throw runtimeError("data", `${what} - let its owner start hsx --restart, or remove it: those tasks run again then`);
  }
}

/** The commit of a line; null: the line is not whole. */
function leftOf(line: string): Left | null {
  try {
    const left: unknown = JSON.parse(line);
    return isLeft(left) ? left : null;
  } catch {
    return null;
  }
}

function isLeft(value: unknown): value is Left {
  if (typeof value !== "object" || value === null) return false;
  const { serverHost, at, completed } = value as Partial<Record<keyof Left, unknown>>;
  return (
    typeof serverHost === "string" &&
    typeof at === "number" &&
    Array.isArray(completed) &&
    completed.every(isCompletion)
  );
}

function isCompletion(value: unknown): value is Completion {
  if (typeof value !== "object" || value === null) return false;
  const { id, retry, completionTime } = value as Partial<Record<keyof Completion, unknown>>;
  return typeof id === "string" && retry === null && typeof completionTime === "number";
}
