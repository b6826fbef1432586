/*
 * A view as OpenMetrics text, for Prometheus and its relatives. The format: OpenMetrics 1.0 (the specification of the
 * CNCF). Knows no HTTP.
 */
import type { ClientView, Histogram, View } from "../view/view.ts";

/** The content type of the text. */
export const metricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Counts how many tasks have ended, by outcome. A counter must not fall, not even when tasks are run again. */
export interface EndedCounter {
  /** The totals after this view. */
  count(view: View): Readonly<Record<"succeeded" | "failed" | "cancelled", number>>;
}

/** A counter that begins with what has ended before. */
export function newEndedCounter(): EndedCounter {
  const total = { succeeded: 0, failed: 0, cancelled: 0 };
  const last = { succeeded: 0, failed: 0, cancelled: 0 };
  return {
    count({ counts: { succeeded, failed, cancelled } }) {
      const now = { succeeded, failed: failed - cancelled, cancelled };
      for (const name of ["succeeded", "failed", "cancelled"] as const) {
        total[name] += Math.max(0, now[name] - last[name]);
        last[name] = now[name];
      }
      return { ...total };
    },
  };
}

export interface MetricsFacts {
  readonly version: string;
  /** How many look at the page now. */
  readonly viewers: number;
  readonly ended: ReturnType<EndedCounter["count"]>;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** The whole text of a view, with its last line `# EOF`. */
export function metricsOf(view: View, facts: MetricsFacts): string {
  const { counts, clients, servers } = view;
  const lines: string[] = [];
  const gauge = (name: string, help: string, samples: readonly Sample[], unit = ""): void =>
    family(lines, { name, help, type: "gauge", unit, suffix: "" }, samples);
  const one = (value: number | null): readonly Sample[] => (value === null ? [] : [[{}, value]]);
  const { version } = facts;
  family(lines, { name: "hypershell_build", help: "The program.", type: "info", unit: "", suffix: "_info" }, [
    [{ version, source: view.source.kind }, 1],
  ]);
  gauge("hypershell_tasks", "Tasks by state.", [
    [{ state: "waiting" }, counts.remaining - counts.running],
    [{ state: "running" }, counts.running],
    [{ state: "succeeded" }, counts.succeeded],
    [{ state: "failed" }, counts.failed - counts.cancelled],
    [{ state: "cancelled" }, counts.cancelled],
  ]);
  family(
    lines,
    { name: "hypershell_ended_tasks", help: "Tasks that have ended.", type: "counter", unit: "", suffix: "_total" },
    Object.entries(facts.ended).map(([outcome, value]) => [{ outcome }, value]),
  );
  gauge("hypershell_task_rate", "Tasks that end per second, of late.", one(view.rate ?? 0));
  histogram(lines, "hypershell_task_duration_seconds", "How long tasks took.", view.durations);
  const left = "Time until all is done, if it goes on like this.";
  gauge("hypershell_time_left_seconds", left, one(view.secondsLeft), "seconds");
  gauge("hypershell_queue_age_seconds", "Wait of the oldest waiting task.", one(view.queueAge), "seconds");
  gauge("hypershell_servers", "Servers that are alive.", one(servers.filter(({ isAlive }) => isAlive).length));
  gauge("hypershell_clients", "Clients by standing.", standings(clients, view.clientsTotal));
  gauge("hypershell_executors", "Executors of clients, as far as known.", one(executors(clients)));
  if (view.storeLatency !== null)
    histogram(lines, "hypershell_store_latency_seconds", "How long transactions of the store took.", view.storeLatency);
  gauge("hypershell_page_viewers", "Viewers of the page.", one(facts.viewers));
  lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter" | "histogram" | "info";
  readonly unit: string;
  /** What follows the name in each sample. */
  readonly suffix: string;
}

function head(lines: string[], { name, help, type, unit }: Omit<Family, "suffix">): void {
  lines.push(`# TYPE ${name} ${type}`);
  if (unit !== "") lines.push(`# UNIT ${name} ${unit}`);
  lines.push(`# HELP ${name} ${escaped(help)}`);
}

/** A family without a sample is left out. */
function family(lines: string[], facts: Family, samples: readonly Sample[]): void {
  if (samples.length === 0) return;
  head(lines, facts);
  for (const [labels, value] of samples) lines.push(`${facts.name}${facts.suffix}${labelsOf(labels)} ${number(value)}`);
}

function histogram(lines: string[], name: string, help: string, { bounds, counts, sum }: Histogram): void {
  head(lines, { name, help, type: "histogram", unit: "seconds" });
  let below = 0;
  counts.forEach((count, at) => {
    below += count;
    const bound = bounds[at];
    lines.push(`${name}_bucket{le="${bound === undefined ? "+Inf" : decimal(bound)}"} ${below}`);
  });
  lines.push(`${name}_count ${below}`, `${name}_sum ${number(sum)}`);
}

function labelsOf(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return Number.isNaN(value) ? "NaN" : String(value);
}

/** A bound as OpenMetrics wants it: a whole number has its `.0`. */
function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Those that the view leaves out are of a standing that is not known. */
function standings(clients: readonly ClientView[], total: number): readonly Sample[] {
  const found = new Map<string, number>([["present", 0]]);
  for (const { standing } of clients) found.set(standing ?? "unknown", (found.get(standing ?? "unknown") ?? 0) + 1);
  const rest = total - clients.length;
  if (rest > 0) found.set("unknown", (found.get("unknown") ?? 0) + rest);
  return [...found].map(([standing, value]) => [{ standing }, value]);
}

function executors(clients: readonly ClientView[]): number | null {
  const known = clients.flatMap((client) => (client.executors === null ? [] : [client.executors]));
  return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0);
}
