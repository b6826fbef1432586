import { describe, expect, test } from "bun:test";
import {
  countTakers,
  deadOf,
  firstLeaseOf,
  formerHolders,
  neighboursOf,
  revokedBy,
  revokedLeasesOf,
} from "../../../src/server/succession.ts";
import type { Recall, ServerRow } from "../../../src/store/store.ts";

/** A server that started so many milliseconds after 1970. */
function row(id: string, startedAt = 0, fields: Partial<ServerRow> = {}): ServerRow {
  return { id, host: "host", pid: 1, pidStart: null, reserves: false, startedAt, beatAt: startedAt, ...fields };
}

const ids = (rows: readonly ServerRow[]): readonly string[] => rows.map(({ id }) => id);
const isAlive = ({ id }: ServerRow): boolean => !id.startsWith("dead");

describe("rows of servers", () => {
  const rows = [row("self"), row("dead1"), row("neighbour"), row("finite", 0, { reserves: true }), row("dead2")];

  test("tell the dead from the living", () => {
    expect(ids(deadOf(rows, isAlive))).toEqual(["dead1", "dead2"]);
    expect(deadOf([], isAlive)).toEqual([]);
  });

  test("name as neighbours the others that are alive", () => {
    expect(ids(neighboursOf(rows, "self", isAlive))).toEqual(["neighbour", "finite"]);
  });

  test("count as takers only servers that do not keep to a submission of their own", () => {
    expect(countTakers(neighboursOf(rows, "self", isAlive))).toBe(1);
  });

  test("name as former holders the predecessors, those that died since, and the server itself", () => {
    expect(formerHolders(["before"], deadOf(rows, isAlive), "self")).toEqual(["before", "dead1", "dead2", "self"]);
  });
});

test("a server's leases begin above those of one that started a millisecond earlier, up to a thousand tasks", () => {
  expect(firstLeaseOf(5) - firstLeaseOf(4)).toBe(1000);
  expect(firstLeaseOf(4.0019)).toBe(4001);
});

describe("the leases of a dead server that count no more", () => {
  const dead = row("dead", 20);

  test("end where the next server began, whether that one is alive or not", () => {
    const servers = [row("dead0", 10), dead, row("dead1", 30), row("self", 40)];
    expect(revokedLeasesOf(dead, servers, [], 90)).toEqual({ from: 0, below: firstLeaseOf(30) });
  });

  test("end now when no server began later", () => {
    expect(revokedLeasesOf(dead, [row("self", 10), dead], [], 90)).toEqual({ from: 0, below: firstLeaseOf(90) });
  });

  test("end now when the clock of a server that began later is ahead", () => {
    expect(revokedLeasesOf(dead, [dead, row("self", 95)], [], 90).below).toBe(firstLeaseOf(90));
  });

  test("begin with its own where a neighbour that started earlier is at work: the task may be run anew there", () => {
    const older = row("older", 10);
    expect(revokedLeasesOf(dead, [older, dead, row("self", 30)], [older], 90)).toEqual({
      from: firstLeaseOf(20),
      below: firstLeaseOf(30),
    });
  });

  test("begin with the very first where all neighbours started later", () => {
    const younger = row("younger", 25);
    expect(revokedLeasesOf(dead, [dead, younger], [younger], 90)).toEqual({ from: 0, below: firstLeaseOf(25) });
  });

  test("do not end with its own: a server that started at the same time is not a later one", () => {
    expect(revokedLeasesOf(dead, [dead, row("twin", 20)], [], 90).below).toBe(firstLeaseOf(90));
  });
});

test("a task is revoked when it was reverted, deleted or cancelled, not when it was changed or has moved on", () => {
  const kinds = ["cancelled", "reverted", "deleted", "changed", "adopted"] as const;
  const recalls = kinds.map((kind, number): Recall => ({ number, id: kind, kind }));
  const leases = { from: 1, below: 9 };
  expect(revokedBy(recalls, leases)).toEqual([
    { id: "cancelled", ...leases },
    { id: "reverted", ...leases },
    { id: "deleted", ...leases },
  ]);
});
