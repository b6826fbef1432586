/*
 * Where a server may be, and how people write it.
 */
import { argumentError } from "../base/errors.ts";

/** Where a server may be. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `HOST`, `HOST:PORT` or an address of IPv6, in brackets if a port follows. `usualPort` is that of a text without
 * one; `name` is what the user has called it. Throws an argument error for what is no address.
 *
 *   address = ( "[" IPv6 "]" | name | IPv4 ) [ ":" port ] | IPv6
 */
export function parseAddress(word: string, usualPort: number, name: string): Endpoint {
  const [, bracketed, named, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(word) ?? [];
  // Two colons and no brackets: an address of IPv6.
  const host = bracketed ?? named ?? word;
  if (host.trim() === "") throw argumentError(`${name}: the name of the server is missing`);
  if (port === undefined) return { host, port: usualPort };
  const number = Number(port);
  if (port === "" || number < 1 || number > 65535)
    throw argumentError(`${name}: the port of '${word}' must be a number from 1 to 65535`);
  return { host, port: number };
}
