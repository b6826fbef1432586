import { expect, test } from "bun:test";
import { FatalError, TransientError } from "../../../../src/base/errors.ts";
import { openFailure, runFailure } from "../../../../src/store/postgres/failure.ts";
import { isBreach } from "../../../../src/store/postgres/pool.ts";

/** As the driver throws it in the compiled program, where its class has another name. */
function said(code: string, message: string, severity = "ERROR"): Error {
  return Object.assign(new Error(message), { name: "Ue", code, severity });
}

test("what the server says is no breach of the connection, unless it is the end of it", () => {
  expect(isBreach(said("40P01", "deadlock detected"))).toBe(false);
  expect(isBreach(said("57P01", "terminating connection", "FATAL"))).toBe(true);
  expect(isBreach(Object.assign(new Error("closed"), { code: "CONNECTION_CLOSED" }))).toBe(true);
});

test("a trouble is told in the words of the server too, and says what to do", () => {
  const failure = runFailure(said("22003", "smallint out of range"), "db:5432/hs");
  expect(failure).toBeInstanceOf(FatalError);
  expect(String(failure)).toContain("'db:5432/hs' cannot keep a value (smallint out of range) - give one");
  const undone = runFailure(said("40P01", "deadlock detected"), "db:5432/hs");
  expect(undone).toBeInstanceOf(TransientError);
  expect(String(undone)).toContain("(deadlock detected)");
});

test("nobody is told to do without TLS where it was asked for", () => {
  const closed = Object.assign(new Error("closed"), { code: "CONNECTION_CLOSED" });
  const text = String(openFailure(closed, "db:5432/hs", true));
  expect(text).toContain(
    "'db:5432/hs' has no TLS, which sslmode asks for, or ended the connection - let the server have",
  );
  expect(text).not.toMatch(/prefer|disable/);
});
