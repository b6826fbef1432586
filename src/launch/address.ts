/*
 * Where a server listens when its clients are on other hosts, and by which name they find it. Asks the resolver and the
 * network interfaces, and opens nothing.
 */
import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import { isLoopback } from "../base/loopback.ts";

/** The address of a server, as the server itself uses it and as clients are told. */
export interface ServerAddress {
  readonly listen: string;
  /** The name or address that clients are told. */
  readonly announce: string;
  /** Why clients are told something else than the name of this host; null: they are told its name. */
  readonly warning: string | null;
}

/** What is known of a host. Tests describe other hosts by it. */
export interface Host {
  readonly name: string;
  /** The addresses of a name; empty if the name has none. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  /** The addresses of the interfaces, best first; `internal` ones lead only to this host. */
  readonly addresses: readonly { readonly address: string; readonly internal: boolean }[];
}

/**
 * The host that this process runs on; `name` is what it calls itself. Link-local addresses of IPv6 are left out,
 * because they mean nothing without an interface.
 */
export function thisHost(name: string): Host {
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ address }) => !/^fe80:/i.test(address))
    .map(({ address, internal, family }) => ({ address, internal, family }))
    .toSorted((one, other) => one.family.localeCompare(other.family));
  return {
    name,
    addresses,
    async resolve(wanted) {
      try {
        return (await lookup(wanted, { all: true })).map(({ address }) => address);
      } catch {
        return [];
      }
    },
  };
}

/**
 * Where to listen and what to tell clients. `bind` is the setting as it was given: its default `localhost` means every
 * interface.
 */
export async function serverAddress(bind: string, host: Host): Promise<ServerAddress> {
  const everywhere = bind === "" || bind === "localhost";
  if (!everywhere && bind !== "0.0.0.0" && bind !== "::") return { listen: bind, announce: bind, warning: null };
  const own = (await host.resolve(host.name)).filter((address) => isOwn(address, host));
  const six = own.length > 0 && own.every((address) => address.includes(":"));
  const listen = everywhere ? (six ? "::" : "0.0.0.0") : bind;
  if (own.length > 0) return { listen, announce: host.name, warning: null };

  const reachable = host.addresses.filter(
    ({ address, internal }) => !internal && (everywhere || bind === "::" || !address.includes(":")),
  );
  const announce = reachable[0]?.address ?? "127.0.0.1";
  const problem = `The name of this host, '${host.name}', does not lead here`;
  return {
    listen: everywhere && announce.includes(":") ? "::" : listen,
    announce,
    warning: `${problem}: clients are sent to ${announce} (-H ADDR names another address)`,
  };
}

function isOwn(address: string, host: Host): boolean {
  return isLoopback(address) || host.addresses.some((each) => each.address === address);
}
