/*
 * What a seed stands for: the settings of a cluster, its work, and what will go wrong with it. Everything is drawn
 * here, before anything happens.
 */
import type { Retries } from "../../src/task/retries.ts";
import type { Random } from "./random.ts";
import { epoch } from "./world.ts";

/**
 * `finite`: a run of its own input. `restart`, `forever`: everything in the database. `local`: server and client in one
 * process, as hsx on one machine. A successor of a server that died always runs everything.
 */
export type Mode = "finite" | "restart" | "forever" | "local";

export interface Plan {
  readonly mode: Mode;
  readonly durable: boolean;
  readonly retries: Retries;
  readonly retryDelayMs: number;
  readonly poison: number;
  readonly groups: number;
  /** Directories from which people submit. */
  readonly directories: number;
  readonly tasks: number;
  readonly eager: boolean;
  readonly bundleSize: number | null;
  readonly companyMs: number;
  readonly pollMs: number;
  readonly evictMs: number;
  readonly graceMs: number;
  readonly heartMs: number;
  readonly connectMs: number;
  readonly reconnectMs: number;
  readonly signalWaitMs: number;
  readonly latencyMs: number;
  readonly cuts: boolean;
  readonly highWater: number;
  readonly slowMs: number;
  readonly failing: number;
  readonly usualMs: number;
  readonly longMs: number;
  /** Servers that share the database. */
  readonly servers: number;
  /** Servers see each other's heartbeats only: one that is stopped for long is taken for dead. */
  readonly apart: boolean;
  /** While no server is at an address, one of another database may answer there. */
  readonly strangers: boolean;
  /** The clocks of their hosts differ from that of the database by this much at most. */
  readonly skewMs: number;
  /** How long a client with tasks waits for its server alone. */
  readonly loyalMs: number;
  /** How often somebody changes a task by hand. */
  readonly edits: number;
  /** Until `calmAt`, clients now and then cannot enter the directory of a task. */
  readonly lacking: boolean;
  /** Tasks need different things, and clients have different amounts of them. */
  readonly needs: boolean;
  /** Clients at the beginning, and submitters that come over the network. */
  readonly clients: number;
  readonly submitters: number;
  /** Chance that a client leaves when it is idle. */
  readonly idling: number;
  readonly faults: readonly Fault[];
  /** After this nothing goes wrong any more, and everything that is broken is mended. */
  readonly calmAt: number;
  /** Calls of the database that fail, by number. */
  readonly failingCalls: ReadonlySet<number>;
}

export type Fault =
  | { readonly at: number; readonly kind: "client dies"; readonly how: Death; readonly follower: number | null }
  | { readonly at: number; readonly kind: "server dies"; readonly how: Death; readonly pauses: readonly number[] }
  | { readonly at: number; readonly kind: "client stops"; readonly forMs: number }
  | { readonly at: number; readonly kind: "server stops"; readonly forMs: number }
  | { readonly at: number; readonly kind: "link breaks" }
  | { readonly at: number; readonly kind: "client parted"; readonly forMs: number }
  | { readonly at: number; readonly kind: "database away"; readonly forMs: number }
  | { readonly at: number; readonly kind: "server told"; readonly how: "finish" | "interrupt" | "abort" | "hurry" }
  /** The tasks of a client get SIGTERM, and so does the client itself, so many milliseconds later or earlier. */
  | { readonly at: number; readonly kind: "job signalled"; readonly laterMs: number }
  | { readonly at: number; readonly kind: "client told"; readonly how: "finish" | "interrupt" | "abort" | "kill" };

/** By kill -9, or with its host, of which nobody hears. */
export type Death = "killed" | "host down";

export function draw(rng: Random): Plan {
  const pick = <T>(...choices: readonly T[]): T => choices[rng.between(0, choices.length - 1)]!;
  const mode = pick<Mode>("finite", "finite", "restart", "restart", "forever", "local");
  const durable = mode === "restart" || rng.chance(0.8);
  const heartMs = pick(1000, 1000, 10_000, 30_000);
  const evictMs = pick(10_000, 10_000, 60_000, 600_000);
  const graceMs = pick(0, 1000, 5000, 30_000);
  const windowMs = rng.between(1000, pick(2000, 10_000, 30_000, 60_000));
  const calmAt = epoch + windowMs;
  const clients = rng.between(1, 5);
  const usualMs = pick(50, 300, 1000);
  const longMs = pick(500, 6000, 30_000);
  // So much that the clients are at work while things go wrong; sometimes next to nothing.
  const enough = Math.round((clients * 2.5 * windowMs) / (0.45 * usualMs + 0.05 * longMs));
  const tasks = rng.chance(0.8) ? Math.min(enough, 150) : rng.between(0, 5);
  const busy = pick(0, 2, 6, 12, 25);
  const edits = durable && rng.chance(0.3) ? rng.between(1, 20) : 0;
  /** What people do shows best where nothing goes wrong. */
  const calm = edits > 0 && rng.chance(0.4);
  const faults: Fault[] = [];
  for (let i = 0; i < (calm ? 0 : busy); i++)
    faults.push(drawFault(rng, rng.between(epoch, calmAt), durable, { evictMs, graceMs }));
  const failingCalls = new Set<number>();
  if (!calm && rng.chance(0.4)) {
    for (let i = rng.between(1, 12); i > 0; i--) {
      const first = rng.between(1, 400);
      for (let n = rng.between(1, 3); n > 0; n--) failingCalls.add(first + n);
    }
  }
  const plan: Plan = {
    mode,
    durable,
    retries: { attempts: rng.between(1, 3), statuses: tasks % 4 === 1 ? [1] : null, memoryFactor: 1 },
    retryDelayMs: tasks % 5 === 2 ? 2000 : 0,
    poison: tasks % 3 === 0 ? 1 + (clients % 3) : 0,
    groups: rng.between(1, 3),
    tasks,
    eager: rng.chance(0.5),
    bundleSize: rng.chance(0.5) ? rng.between(1, 4) : null,
    companyMs: pick(0, 3, 10),
    pollMs: pick(1000, 5000, 30_000),
    evictMs,
    graceMs,
    heartMs,
    connectMs: pick(5000, 15_000),
    reconnectMs: pick(5000, 60_000, 600_000),
    signalWaitMs: pick(100, 1000, 10_000),
    latencyMs: pick(0, 5, 40, 300),
    cuts: rng.chance(0.5),
    highWater: pick(100, 1000, 1_000_000),
    slowMs: pick(0, 5, 30, 300),
    failing: pick(0, 0, 0.2),
    usualMs,
    longMs,
    servers: durable && mode !== "finite" && mode !== "local" && rng.chance(0.4) ? 2 : 1,
    loyalMs: pick(0, graceMs / 2, graceMs * 2),
    edits,
    // Only a server that runs forever looks again.
    lacking: mode === "forever" && clients % 2 === 0,
    clients,
    submitters: rng.chance(0.3) ? rng.between(1, 2) : 0,
    idling: pick(0, 0, 0.5),
    faults: faults.sort((left, right) => left.at - right.at),
    calmAt,
    failingCalls,
    directories: rng.between(1, 3),
    skewMs: durable ? pick(0, 1000, 3_600_000) : 0,
    apart: false,
    strangers: false,
    needs: rng.chance(0.3),
  };
  if (plan.servers === 2 && rng.chance(0.8)) return setApart(plan, rng);
  return { ...plan, strangers: plan.submitters === 0 && rng.chance(0.5) };
}

/** Sets the servers apart, and stops one for longer than the other waits for its heartbeat. */
function setApart(plan: Plan, rng: Random): Plan {
  const stop: Fault = {
    at: rng.between(epoch, plan.calmAt),
    kind: "server stops",
    forMs: rng.between(70_000, 100_000),
  };
  const faults = [...plan.faults, stop].sort((left, right) => left.at - right.at);
  return { ...plan, apart: true, faults };
}

/** Until each successor of a server that died; all but the last die too, after a while. */
function drawPauses(rng: Random): number[] {
  const pauses = [rng.between(0, rng.chance(0.7) ? 2000 : 40_000)];
  while (rng.chance(0.3)) pauses.push(rng.between(0, 2000));
  return pauses;
}

function drawFault(
  rng: Random,
  at: number,
  durable: boolean,
  { evictMs, graceMs }: { readonly evictMs: number; readonly graceMs: number },
): Fault {
  const death: Death = rng.chance(0.7) ? "killed" : "host down";
  // Some that are over in time for everybody, some that are not.
  const forMs = rng.between(
    1,
    [500, 5000, Math.round(graceMs * 1.5) + 1, Math.min(evictMs * 1.5, 120_000)][rng.between(0, 3)]!,
  );
  const dice = rng.between(0, 99);
  if (dice < 20)
    return { at, kind: "client dies", how: death, follower: rng.chance(0.8) ? rng.between(0, 3000) : null };
  if (dice < 35 && durable) return { at, kind: "server dies", how: death, pauses: drawPauses(rng) };
  if (dice < 45) return { at, kind: "client stops", forMs };
  if (dice < 50) return { at, kind: "server stops", forMs };
  if (dice < 68) return { at, kind: "link breaks" };
  if (dice < 75) return { at, kind: "job signalled", laterMs: rng.between(-200, 1000) };
  if (dice < 85) return { at, kind: "client parted", forMs };
  if (dice < 90) return { at, kind: "database away", forMs: rng.between(1, 10_000) };
  if (dice < 94 && durable)
    return { at, kind: "server told", how: (["finish", "interrupt", "abort", "hurry"] as const)[rng.between(0, 3)]! };
  return { at, kind: "client told", how: (["finish", "interrupt", "abort", "kill"] as const)[rng.between(0, 3)]! };
}
