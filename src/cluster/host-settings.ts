/*
 * What the configuration says of the host that a client runs on. cluster/host.ts finds out the rest, and options that
 * stand above the configuration are not known here.
 */
import { configurationError } from "../base/errors.ts";
import { parseMoment } from "../base/moment.ts";
import { type Resources, whyNotHad } from "../client/resources.ts";
import type { Config } from "../config/load.ts";
import type { HostWishes } from "./host.ts";

/** What can be written as a time. */
export const timeForms = "a time is 18:00, +2h, +90m, 2026-11-30T18:00, @SECONDS since 1970, or never";

/** The amounts of client.resources, by name. Throws a UserError for one that no host can have. */
export function configuredResources(config: Config): Resources {
  const { source, label } = config.origin("client.resources");
  if (source === "default") return {};
  const found: Record<string, number> = {};
  for (const [name, amount] of Object.entries(config.raw("client.resources") ?? {})) {
    const reason = whyNotHad(name, amount);
    if (reason !== null) throw configurationError("client", `client.resources: ${reason} (${label})`);
    found[name] = amount as number;
  }
  return found;
}

/** The time of client.until; null: none is set. `now`: milliseconds since 1970. Throws a UserError for what is none. */
export function configuredEnd(config: Config, now: number): HostWishes["until"] {
  const text = config.text("client.until");
  if (text === null || text.trim() === "") return null;
  if (isNever(text)) return "never";
  const at = parseMoment(text, now);
  const { label } = config.origin("client.until");
  if (at === null) throw configurationError("client", `client.until: '${text}' is no time (${timeForms}) (${label})`);
  return { at, source: "client.until" };
}

/** Whether a text says that time never ends. */
export function isNever(text: string): boolean {
  return /^\s*never\s*$/i.test(text);
}
