/*
 * How long a server and its clients wait for a sign of life of each other, where the settings of both must agree.
 */
import { configurationError } from "../base/errors.ts";
import type { Config } from "../config/load.ts";

/**
 * Clients on other hosts beat at a third of the patience of their server, whatever client.heartrate says. Throws a
 * UserError when somebody asks for what cannot be: a client that is silent for longer than that patience.
 */
export function expectPatience(config: Config): void {
  const [heartrate, evict] = [config.number("client.heartrate"), config.number("server.evict")];
  if (heartrate <= evict) return;
  throw configurationError(
    "server",
    `client.heartrate (${heartrate} s) is longer than server.evict (${evict} s): every client would count as lost ` +
      `between two signs of life - set client.heartrate to ${Math.floor(evict / 3)} or less, or server.evict to ` +
      `${heartrate * 3} or more`,
  );
}
