/*
 * What the log of a server says of connections that came to nothing. Whoever just looks at the port (a port check, a
 * scanner, a probe of a load balancer) is worth a line of level DEBUG. A client that is refused for a reason that
 * somebody has to mend is worth a warning, as long as there are few.
 */
import type { Clock } from "../base/clock.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import { warnSparingly } from "../log/sparing.ts";
import type { ProblemKind, WireProblem } from "../wire/problem.ts";

export interface Refusals {
  readonly tell: (peer: string, problem: WireProblem) => void;
  /** Logs the number of those that were not logged yet. */
  readonly close: () => void;
}

/** The problems of those who say nothing, hang up, or speak another language. */
const quiet: ReadonlySet<ProblemKind> = new Set(["lost", "silent", "malformed"]);

/** Makes a logger of refused connections. */
export function tellRefusals(log: Logger, clock: Pick<Clock, "after">): Refusals {
  const were = (count: number): string => `${counted(count, "more connection")} ${count === 1 ? "was" : "were"}`;
  const inMinute = warnSparingly(log, clock, { more: (count) => `${were(count)} refused within a minute` });
  const crowded = warnSparingly(log, clock, { most: 1, more: (count) => `${were(count)} cut off within a minute` });
  // A client with the wrong settings tells its user itself, and a monitor may look every few seconds, for years.
  const strange = warnSparingly(log, clock, {
    most: 1,
    spanMs: 3_600_000,
    more: (count) => `${were(count)} refused within an hour because of TLS`,
  });
  return {
    close() {
      for (const each of [inMinute, crowded, strange]) each.close();
    },
    tell(peer, { kind, message }) {
      const text = (): string => `Connection from ${peer} refused: ${message}`;
      if (quiet.has(kind)) log.debug(text);
      else if (kind === "busy") crowded.warn(text);
      else if (kind === "tls") strange.warn(text);
      else inMinute.warn(text);
    },
  };
}
