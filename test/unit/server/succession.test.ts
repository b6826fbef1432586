import { describe, expect, test } from "bun:test";
import {
  countTakers,
  deadOf,
  formerHolders,
  neighboursOf,
  revokedBy,
  revokedLeasesOf,
} from "../../../src/server/succession.ts";
import type { Recall, ServerRow } from "../../../src/store/store.ts";
import { makeServerRow } from "../../make.ts";

const row = makeServerRow;
const ids = (rows: readonly ServerRow[]): readonly string[] => rows.map(({ id }) => id);
const isAlive = ({ id }: ServerRow): boolean => !id.startsWith("dead");

describe("rows of servers", () => {
  const rows = [row("self"), row("dead1"), row("neighbour"), row("finite", { reserves: true }), row("dead2")];

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

describe("the leases of a server that count no more", () => {
  const at = (id: string, firstLease: number): ServerRow => row(id, { firstLease });
  const dead = at("dead", 20);
  const leases = (others: readonly ServerRow[], of = dead): unknown =>
    revokedLeasesOf(of, "self", [...others, of], isAlive);

  test("end where those of the next server begin, whether that one is alive or not", () => {
    expect(leases([at("dead0", 10), at("dead1", 30), at("self", 40)])).toEqual({ from: 0, below: 30 });
  });

  test("end with its range when no server came later", () => {
    expect(leases([at("dead0", 10)])).toEqual({ from: 0, below: 20 + 2 ** 36 });
    expect(leases([], row("dead", { firstLease: 20, reserves: true }))).toEqual({ from: 0, below: 20 + 2 ** 30 });
  });

  test("begin with its own where a server that came before it is at work: the task may be run anew there", () => {
    expect(leases([at("older", 10), at("self", 30)])).toEqual({ from: 20, below: 30 });
    expect(leases([at("self", 10)])).toEqual({ from: 20, below: 20 + 2 ** 36 });
  });

  test("begin with the very first where all that are at work came later", () => {
    expect(leases([at("younger", 25), at("self", 30)])).toEqual({ from: 0, below: 25 });
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
