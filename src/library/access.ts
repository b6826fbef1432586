/*
 * The way to a server: its address, the key, and the encryption.
 */
import { type Endpoint, parseAddress } from "../cluster/endpoint.ts";
import type { ClientAccess } from "../cluster/remote.ts";
import { clientSecurity } from "../cluster/security.ts";
import type { ServerOptions } from "./interface.ts";
import type { Setting } from "./setting.ts";

/** The address of the server. Throws an argument error for what is none. */
export function endpointOf({ address }: ServerOptions, { config }: Setting): Endpoint {
  return parseAddress(address ?? config.text("server.host"), config.integer("server.port"), "address");
}

/** The key and the TLS of a connection to `host`. Throws a UserError for a key that is no use, or none. */
export function accessOf(
  { key, tls = true }: ServerOptions,
  { config, loggers }: Setting,
  host: string,
  role: "client" | "submit",
): Promise<ClientAccess> {
  return clientSecurity({
    noTls: !tls,
    key: key ?? null,
    cert: null,
    certKey: null,
    ca: null,
    config,
    loggers,
    host,
    role,
  });
}
