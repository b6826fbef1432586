import { expect, test } from "bun:test";
import { isLoopback } from "../../../src/base/loopback.ts";

test("only addresses of this host alone are loopback", () => {
  const here = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.3.2.1",
    "127.1",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "0:0:0:0:0:0:0:1",
  ];
  expect(here.filter((host) => !isLoopback(host))).toEqual([]);
  const elsewhere = [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "localhost.example",
    "mylocalhost",
    "127.0.0.1.example",
    "::2",
    "128.0.0.1",
  ];
  expect(elsewhere.filter((host) => isLoopback(host))).toEqual([]);
});
