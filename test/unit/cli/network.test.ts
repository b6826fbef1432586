import { describe, expect, test } from "bun:test";
import { UserError } from "../../../src/base/errors.ts";
import type { Parsed } from "../../../src/args/spec.ts";
import { command } from "../../../src/cli/client.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { addressesOf } from "../../../src/cli/network.ts";
import type { Config } from "../../../src/config/load.ts";

function addresses(words: readonly string[], host = "localhost"): readonly string[] {
  const config = { text: () => host, number: () => 50001 } as unknown as Config;
  return addressesOf(parseFlags(command.spec, words) as Parsed, config).map((each) => `${each.host} ${each.port}`);
}

describe("addresses of servers", () => {
  test("the port of one is its own, else that of -p, else the usual one", () => {
    expect(addresses(["-N1"])).toEqual(["localhost 50001"]);
    expect(addresses(["-N1"], "login07")).toEqual(["login07 50001"]);
    expect(addresses(["-H", "a", "-p7"])).toEqual(["a 7"]);
    expect(addresses(["-H", "a:9", "-p7"])).toEqual(["a 9"]);
  });

  test("several are asked in the order in which they are named, each once", () => {
    expect(addresses(["-H", "a,b:2", "-H", "c", "-H", "a"])).toEqual(["a 50001", "b 2", "c 50001"]);
  });

  test("addresses of IPv6 need brackets only for a port", () => {
    expect(addresses(["-H", "::1", "-H", "[fe80::1]:7", "-H", "[::2]"])).toEqual([
      "::1 50001",
      "fe80::1 7",
      "::2 50001",
    ]);
  });

  test("what is no address is refused", () => {
    for (const word of ["", " ", "a,,b", "a:", "a:0", "a:65536", ":5", "[]"])
      expect(() => addresses([`--host=${word}`])).toThrow(UserError);
  });
});
