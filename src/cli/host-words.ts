/*
 * What a user says of the host that a client runs on, by options above the settings (cluster/host-settings.ts). Here it
 * is checked and put together; cluster/host.ts finds out the rest.
 */
import { argumentError } from "../base/errors.ts";
import { parseMoment } from "../base/moment.ts";
import type { hostOptions } from "../args/options.ts";
import type { ParsedWith } from "../args/spec.ts";
import { parseResource } from "../client/resources.ts";
import type { HostWishes } from "../cluster/host.ts";
import { configuredEnd, configuredResources, isNever, timeForms } from "../cluster/host-settings.ts";
import type { Config } from "../config/load.ts";

type Words = ParsedWith<(typeof hostOptions)[number]>;

/**
 * What the options and settings come to. `now`: milliseconds since 1970. Throws a UserError for a resource or a
 * time that cannot be one, and for a time of the command line that has passed.
 */
export function hostWishes(parsed: Words, config: Config, now: number): HostWishes {
  const resources = { ...configuredResources(config), ...givenResources(parsed.words("resource")) };
  const given = parsed.text("until");
  const until = given === undefined ? configuredEnd(config, now) : givenEnd(given, now);
  return { resources, until, pin: config.boolean("client.pin") };
}

function givenResources(words: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const word of words) {
    const resource = parseResource(word);
    if (typeof resource === "string") throw argumentError(`argument --resource: ${resource} (not '${word}')`);
    found[resource.name] = resource.amount;
  }
  return found;
}

/** A launched client may start when the time is up: it is told the second since 1970, and leaves. */
function givenEnd(text: string, now: number): HostWishes["until"] {
  if (isNever(text)) return "never";
  const at = parseMoment(text, now);
  if (at === null) throw argumentError(`argument --until: '${text}' is no time (${timeForms})`);
  if (at <= now && !text.trim().startsWith("@")) throw argumentError(`argument --until: ${text} has passed already`);
  return { at, source: "--until" };
}
