/*
 * Where the page is, as people write it: `PORT` or `ADDR:PORT`. Knows no sockets.
 */
import { argumentError } from "../base/errors.ts";

export interface WebAddress {
  /** A name, or an address of IPv4 or IPv6 without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Where the page is unless an address is given: nobody on another host can reach it. */
const usualHost = "127.0.0.1";

/**
 * Reads where the page is to be. `name` is what the user has called it. Throws an argument error for what is neither a
 * port (0 to 65535) nor an address with one.
 *
 *   word = [ ( "[" IPv6 "]" | name | IPv4 ) ":" ] port
 */
export function parseWebAddress(word: string, name = "argument --web"): WebAddress {
  const [, bracketed, named, port] = /^(?:(?:\[([^\]]*)\]|([^:[\]]*)):)?(\d+)$/.exec(word.trim()) ?? [];
  if (port === undefined)
    throw argumentError(`${name}: '${word}' is no port and no ADDR:PORT (8080, 0.0.0.0:8080, [::1]:8080)`);
  if (Number(port) > 65535) throw argumentError(`${name}: the port must be a number from 0 to 65535, not ${port}`);
  const host = bracketed ?? named ?? usualHost;
  if (host.trim() === "")
    throw argumentError(`${name}: the address before the colon is missing (0.0.0.0:${port} is every one of this host)`);
  if (/[\s/?#@%\\]/.test(host)) throw argumentError(`${name}: '${host}' is no address`);
  return { host, port: Number(port) };
}

/** The address as it stands in a URL. */
export function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
