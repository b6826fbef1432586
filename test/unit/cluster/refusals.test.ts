import { expect, test } from "bun:test";
import { tellRefusals } from "../../../src/cluster/refusals.ts";
import { type ProblemKind, WireProblem } from "../../../src/wire/problem.ts";
import { makeLog } from "../../make.ts";

test("who only looks at the port brings no warning, a client that somebody has to help brings one", () => {
  const said: string[] = [];
  const refusals = tellRefusals(
    makeLog((level, text) => said.push(`${level} ${text}`)),
    { after: () => ({ cancel: () => undefined }) },
  );
  const levelOf = (kind: ProblemKind): string | undefined => {
    refusals.tell("10.0.0.1:1", new WireProblem(kind, "why"));
    return said.at(-1);
  };
  const line = "Connection from 10.0.0.1:1 refused: why";
  for (const kind of ["lost", "silent", "malformed"] as const) expect(levelOf(kind)).toBe(`DEBUG ${line}`);
  for (const kind of ["key", "tls", "version", "busy"] as const) expect(levelOf(kind)).toBe(`WARNING ${line}`);
  for (const kind of ["tls", "busy"] as const) expect(levelOf(kind)).toBe(`DEBUG ${line}`);
  for (let n = 0; n < 20; n++) levelOf("key");
  refusals.close();
  expect(said.slice(-3)).toEqual([
    "WARNING 2 more connections were refused within a minute",
    "WARNING 1 more connection was cut off within a minute",
    "WARNING 1 more connection was refused within an hour because of TLS",
  ]);
});
