/*
 * The parts of a report that are tables: the summary, failures with examples, the slowest tasks, attempts, hosts.
 */
import { statusMeanings } from "../task/failure.ts";
import { rectangle } from "./chart.ts";
import {
  countText,
  numberText,
  paragraph,
  section,
  shareText,
  sizeText,
  spanText,
  table,
  text,
  timeText,
} from "./html.ts";
import type { Specimen, StatusGroup, Summary, Workplace } from "./summary.ts";

const [mostStatuses, mostHosts] = [40, 200];

/** The filters of a report. */
export interface Filters {
  /** As words of a command line, each with a blank before it; empty: there are none. */
  readonly filters: string;
  /** Whether one of them is about the state of tasks, beside which `hs list` takes no other. */
  readonly isByState: boolean;
}

/** The counts, each with the call of `hs list` that gives it, and the main figures. */
export function summarySection(summary: Summary, { filters, isByState }: Filters): string {
  const { counts, oddities } = summary;
  const waiting = counts.remaining - counts.running - counts.stranded;
  const call = (words: string): string => `<code>hs list ${words}--count${text(filters)}</code>`;
  const rows: (readonly [name: string, count: number, words: string | null])[] = [
    ["All tasks", counts.total, ""],
    ["Succeeded", counts.succeeded, "-S "],
    ["Failed", counts.failed, "-F "],
    ["– of these cancelled", counts.cancelled, null],
    ["– of these tried again", counts.retried, null],
    ["Remaining", counts.remaining, "-R "],
    ["– of these running", counts.running, "--running "],
    ["– of these waiting", waiting, null],
    ["– of these left by a run that is gone", counts.stranded, null],
    ["Second and later attempts", counts.later, "--retries "],
  ];
  const isMain = (name: string): boolean => ["All tasks", "Succeeded", "Failed", "Remaining"].includes(name);
  const states = table({
    caption: "Tasks by state, and how to count them again",
    columns: [
      { title: "" },
      { title: "tasks", kind: "number" },
      { title: "share", kind: "number" },
      { title: "the same on the command line" },
    ],
    rows: rows
      .filter(([name, count]) => count > 0 || isMain(name))
      .map(([name, count, words]) => [
        name,
        `<data value="${count}">${numberText(count)}</data>`,
        shareText(count, counts.total),
        words === null || (isByState && words !== "" && words !== "--retries ") ? "" : call(words),
      ]),
  });
  const never = oddities.neverStarted;
  const odd = [
    ...(never > 0 ? [`${countText(never, "task")} ended and never started: cancelled, or refused.`] : []),
    ...(oddities.negativeDurations > 0
      ? [
          `Of ${countText(oddities.negativeDurations, "task")} the end is before the start: ` +
            "the clock of the host was set.",
        ]
      : []),
    ...(counts.stranded > 0
      ? ["What was left by a run that is gone runs no more; a run with <code>--restart</code> takes it up."]
      : []),
  ];
  const notes = odd.map((each) => paragraph(each, "warning")).join("");
  return section("summary", "Summary", stateBar(summary, waiting) + figures(summary) + states + notes);
}

/** One bar of all tasks by state. */
function stateBar({ counts }: Summary, waiting: number): string {
  const parts = [
    ["succeeded", counts.succeeded],
    ["failed", counts.failed],
    ["running", counts.running],
    ["waiting", waiting + counts.stranded],
  ] as const;
  let at = 0;
  const shapes = parts.map(([kind, count]) => {
    const from = at;
    at += count / counts.total;
    return count === 0 ? "" : rectangle(from, at, 0, 18, kind, `${countText(count, "task")} ${kind}`);
  });
  const said = parts
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${numberText(count)} ${kind}`)
    .join(", ");
  const legend = parts
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `<li class="${kind}">${kind} ${shareText(count, counts.total)}</li>`)
    .join("");
  return (
    `<svg class="states" role="img" aria-labelledby="states-t states-d" width="100%" height="18" ` +
    `viewBox="0 0 10000 18" preserveAspectRatio="none"><title id="states-t">Tasks by state</title>` +
    `<desc id="states-d">${said}</desc>` +
    `${shapes.join("")}</svg>\n<ul class="legend" aria-hidden="true">${legend}</ul>\n`
  );
}

/** The figures that people look for first. */
function figures({ firstSubmit, firstStart, lastEnd, durations, at, hosts, clients, counts }: Summary): string {
  const until = counts.running > 0 ? at : lastEnd;
  const spanMs = firstStart === null || until === null ? null : until - firstStart;
  const busy = [...hosts.values()].reduce((sum, { busy: each }) => sum + each, 0);
  const list: (readonly [string, string])[] = [
    ["First submitted", timeText(firstSubmit)],
    ["First start", timeText(firstStart)],
    [counts.running > 0 ? "Last end so far" : "Last end", timeText(lastEnd)],
    ["From first start to last end", spanMs === null ? "–" : spanText(spanMs / 1000)],
    ["Running time of all tasks", spanText(busy)],
    ["Tasks at once, on the average", spanMs === null || spanMs <= 0 ? "–" : numberText((busy * 1000) / spanMs, 1)],
    ["Mean duration", durations.count === 0 ? "–" : spanText(durations.sum / durations.count)],
    ["Hosts, clients", `${numberText(hosts.size)}, ${numberText(clients.size)}`],
  ];
  const items = list.map(([term, value]) => `<div><dt>${term}</dt><dd>${value}</dd></div>`);
  return `<dl class="figures">${items.join("")}</dl>\n`;
}

const signals: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
};

/** What an exit status means, as far as it can be told. */
function meaningOf(status: number): string {
  const known = statusMeanings[status];
  if (known !== undefined) return known;
  if (status === 126) return "the command could not be run (permission, format)";
  if (status === 127) return "the command was not found";
  const signal = status > 128 && status < 160 ? signals[status - 128] : undefined;
  return signal === undefined ? "" : `signal ${status - 128} (${signal})`;
}

/** Failures by exit status, the most frequent first, with examples. */
export function failureSection({ failures, counts }: Summary): string {
  if (counts.failed === 0) {
    const ended = counts.succeeded > 0 ? "No task failed." : "No task has failed so far.";
    return section("failures", "Failures", paragraph(ended));
  }
  const groups = [...failures].toSorted(([, one], [, other]) => other.count - one.count);
  const name = (status: number): string => (Number.isNaN(status) ? "others" : String(status).replace("-", "−"));
  const overview = table({
    caption: "Failed tasks by exit status",
    columns: [
      { title: "exit status", kind: "number" },
      { title: "tasks", kind: "number" },
      { title: "of all failures", kind: "number" },
      { title: "tried again", kind: "number" },
      { title: "what it means" },
    ],
    rows: groups
      .slice(0, mostStatuses)
      .map(([status, { count, retried }]) => [
        name(status),
        numberText(count),
        shareText(count, counts.failed),
        numberText(retried),
        text(meaningOf(status)),
      ]),
  });
  const rest = groups.length - mostStatuses;
  const more = rest > 0 ? paragraph(`${countText(rest, "other exit status")} left out.`, "note") : "";
  const examples = groups.slice(0, 12).flatMap(([status, group]) => exampleRows(name(status), group));
  return section(
    "failures",
    "Failures",
    overview +
      more +
      table({
        caption: "The first failed tasks of each exit status (<code>hs info ID</code> has the rest)",
        columns: [
          { title: "exit status", kind: "number" },
          { title: "task", kind: "code" },
          { title: "duration", kind: "number" },
          { title: "host" },
          { title: "attempt", kind: "number" },
          { title: "id", kind: "code" },
        ],
        rows: examples,
      }),
  );
}

function exampleRows(name: string, { examples }: StatusGroup): readonly (readonly string[])[] {
  return examples.map((each) => [
    name,
    argsCell(each),
    spanText(each.duration),
    text(each.host ?? "–"),
    numberText(each.attempt),
    text(each.id),
  ]);
}

function argsCell({ args }: Specimen): string {
  return args === "" ? "<em>(empty)</em>" : text(args);
}

/** The tasks that took longest. */
export function slowestSection({ slowest, durations }: Summary): string {
  if (slowest.length === 0) return "";
  const ending = ({ exitStatus }: Specimen): string =>
    exitStatus === null
      ? "running"
      : exitStatus === 0
        ? "0"
        : `<strong>${String(exitStatus).replace("-", "−")}</strong>`;
  const share = slowest.reduce((sum, { duration }) => sum + (duration ?? 0), 0);
  const told =
    durations.sum > 0 && slowest.every(({ exitStatus }) => exitStatus !== null)
      ? paragraph(`Together they have ${shareText(share, durations.sum)} of all running time.`)
      : "";
  return section(
    "slowest",
    "Slowest tasks",
    table({
      caption: "Tasks with the longest durations",
      columns: [
        { title: "duration", kind: "number" },
        { title: "task", kind: "code" },
        { title: "exit status", kind: "number" },
        { title: "host" },
        { title: "start" },
        { title: "memory at most", kind: "number" },
        { title: "id", kind: "code" },
      ],
      rows: slowest.map((each) => [
        spanText(each.duration),
        argsCell(each),
        ending(each),
        text(each.host ?? "–"),
        timeText(each.startedAt),
        sizeText(each.memoryMax),
        text(each.id),
      ]),
    }) + told,
  );
}

/** What came of first and later attempts. */
export function attemptSection({ attempts, counts }: Summary): string {
  if (counts.later === 0 && counts.retried === 0) {
    return section("attempts", "Attempts", paragraph("Every task was tried once."));
  }
  const groups = [...attempts].toSorted(([one], [other]) => one - other);
  const numbers = ["attempt", "tasks", "succeeded", "failed", "tried again", "share that succeeded"];
  return section(
    "attempts",
    "Attempts",
    table({
      caption: "Tasks by attempt; each attempt is a task of its own",
      columns: numbers.map((title) => ({ title, kind: "number" as const })),
      rows: groups.map(([attempt, { count, succeeded, failed, retried }]) => [
        attempt >= 50 ? "50 and later" : numberText(attempt),
        numberText(count),
        numberText(succeeded),
        numberText(failed),
        numberText(retried),
        shareText(succeeded, succeeded + failed),
      ]),
    }),
  );
}

/** Where tasks ran. */
export function hostSection({ hosts, clients }: Summary): string {
  if (hosts.size === 0) return "";
  const clientsOf = new Map<string, number>();
  for (const { host } of clients.values()) clientsOf.set(host, (clientsOf.get(host) ?? 0) + 1);
  const groups = [...hosts].toSorted(([, one], [, other]) => other.tasks - one.tasks);
  const rest = groups.slice(mostHosts);
  const row = (name: string, place: Workplace): readonly string[] => [
    text(name),
    numberText(clientsOf.get(place.host) ?? 0),
    numberText(place.tasks),
    numberText(place.failed),
    shareText(place.failed, place.succeeded + place.failed),
    numberText(place.running),
    spanText(place.busy),
    spanText(place.busy / Math.max(1, place.tasks)),
    spanText(place.longest),
    timeText(place.firstStart),
    timeText(place.lastEnd),
  ];
  const number = (title: string) => ({ title, kind: "number" as const });
  const others = rest.reduce((sum, [, { tasks }]) => sum + tasks, 0);
  return section(
    "hosts",
    "Hosts",
    table({
      caption: "Where tasks ran",
      columns: [
        { title: "host" },
        ...["clients", "tasks", "failed", "share", "running", "running time", "mean", "longest"].map(number),
        { title: "first start" },
        { title: "last end" },
      ],
      rows: groups
        .slice(0, mostHosts)
        .map(([name, place]) => row(name === "" ? (hosts.size > mostHosts ? "others" : "unknown") : name, place)),
    }) +
      (rest.length > 0
        ? paragraph(`${countText(rest.length, "other host")} with ${countText(others, "task")} are left out.`, "note")
        : ""),
  );
}
