/* The addresses of a host, as the system's resolver knows them. Knows no sockets. */
import { lookup } from "node:dns/promises";

/** All addresses of a name, IPv4 and IPv6, in the order of the system. Rejects when the name is not known. */
export async function resolve4And6(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** Whether a name has any address. */
export async function isKnown(host: string): Promise<boolean> {
  try {
    return (await resolve4And6(host)).length > 0;
  } catch {
    return false;
  }
}
