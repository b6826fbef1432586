import { expect, test } from "bun:test";
import { type Host, serverAddress } from "../../../src/launch/address.ts";

function host(names: Readonly<Record<string, readonly string[]>>, external: readonly string[] = ["10.0.0.5"]): Host {
  const addresses = [
    { address: "127.0.0.1", internal: true },
    ...external.map((address) => ({ address, internal: false })),
  ];
  return { name: "login", addresses, resolve: async (name) => names[name] ?? [] };
}

test("clients are told the name of this host, and every interface is listened on", async () => {
  const expected = { listen: "0.0.0.0", announce: "login", warning: null };
  expect(await serverAddress("localhost", host({ login: ["10.0.0.5"] }))).toEqual(expected);
  expect(await serverAddress("0.0.0.0", host({ login: ["10.0.0.5"] }))).toEqual(expected);
  // As Debian writes /etc/hosts; other hosts ask their own resolver.
  expect(await serverAddress("localhost", host({ login: ["127.0.1.1"] }))).toEqual(expected);
});

test("a host that has only an IPv6 address is served by IPv6", async () => {
  const six = host({ login: ["fd00::5"] }, ["fd00::5"]);
  expect(await serverAddress("localhost", six)).toEqual({ listen: "::", announce: "login", warning: null });
});

test("an address that was given is where clients are sent", async () => {
  const expected = { listen: "10.0.0.5", announce: "10.0.0.5", warning: null };
  expect(await serverAddress("10.0.0.5", host({}))).toEqual(expected);
});

test("a name that leads nowhere, or elsewhere, is replaced by an address, and that is said", async () => {
  for (const names of [{}, { login: ["192.0.2.9"] }]) {
    const { listen, announce, warning } = await serverAddress("localhost", host(names));
    expect([listen, announce]).toEqual(["0.0.0.0", "10.0.0.5"]);
    expect(warning).toBe(
      "The name of this host, 'login', does not lead here: clients are sent to 10.0.0.5 " +
        "(-H ADDR names another address)",
    );
  }
});

test("an address is one that the clients can use where the server listens", async () => {
  const both = host({}, ["fd00::5", "10.0.0.5"]);
  expect((await serverAddress("0.0.0.0", both)).announce).toBe("10.0.0.5");
  expect(await serverAddress("localhost", host({}, ["fd00::5"]))).toMatchObject({ listen: "::", announce: "fd00::5" });
  expect(await serverAddress("localhost", host({}, []))).toMatchObject({ listen: "0.0.0.0", announce: "127.0.0.1" });
});
