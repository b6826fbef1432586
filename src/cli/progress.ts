/*
 * The live line of commands that people wait for: the options, what they mean together with the configuration, and the
 * line at the end. A call that is over within a moment loads nothing of it.
 */
import { isatty } from "node:tty";
import type { Option, ParsedWith } from "../args/spec.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { wantsColour } from "../log/colour.ts";
import { levels, parseThreshold } from "../log/levels.ts";
import { openOutput } from "../print/output.ts";
import type { show, Shown } from "../progress/progress.ts";
import { type Sight, sight } from "../progress/sight.ts";
import type { summaryText } from "../progress/text.ts";
import type { Context } from "./command.ts";

export const progressOptions = [
  {
    key: "progress",
    names: ["--progress"],
    kind: "flag",
    help: "Show how far it is, on standard error: a live line on a terminal, elsewhere a plain line now and then.",
  },
  {
    key: "noProgress",
    names: ["--no-progress"],
    kind: "flag",
    help: "Show no live line. Without either there is one on a terminal (progress in the configuration).",
  },
] as const satisfies readonly Option[];

/** The words of a command that has these options. */
export type ProgressWords = ParsedWith<(typeof progressOptions)[number]>;

/** The keys of these options, which exclude each other. */
export const progressKeys = ["progress", "noProgress"] as const;

/** A piece of work that somebody may look at. */
export interface Progress {
  /** Takes the line away, and says in one line how it went unless the log does. A second call does nothing. */
  end(howItWent: "told" | "untold"): void;
}

/** A piece of work shorter than this shows nothing, milliseconds. */
const momentMs = 1000;

/** Whether the command line or the configuration asks for more than there is on a terminal. */
export function asksForProgress(parsed: ProgressWords, { config }: Context): boolean {
  return wish(parsed, config().text("progress")) === "always";
}

function wish(parsed: ProgressWords, setting: string): string {
  if (parsed.flag("progress")) return "always";
  return parsed.flag("noProgress") ? "never" : setting.toLowerCase();
}

/** Shows what `look` sees from the end of the first moment on, until `end` is called. */
function beginProgress(parsed: ProgressWords, context: Context, look: () => Sight): Progress {
  const config = context.config();
  const wanted = wish(parsed, config.text("progress"));
  const isTerminal = isatty(2);
  if (wanted === "never" || (wanted === "auto" && !isTerminal)) return { end: () => undefined };
  const { env } = context;
  const since = systemClock.now();
  const isAsked = wanted === "always";
  let shown: Shown | null = null;
  const timer: Timer = systemClock.after(momentMs, () => {
    // Only those who wait pay for it.
    const room = require("../progress/progress.ts") as { readonly show: typeof show };
    const coloured = wantsColour(env, isTerminal) && config.boolean("logging.color");
    shown = room.show({ look, env, coloured, clock: systemClock, since, isAsked, print });
  });
  let isOver = false;
  function print(text: string): void {
    try {
      openOutput(2, env).write(text);
    } catch {
      // Nobody reads it any more, or there is no room: the work is worth more.
    }
  }
  return {
    end(howItWent) {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      const begin = shown?.end() ?? null;
      const isInLog = (parseThreshold(config.text("logging.level")) ?? 0) <= levels.INFO.number;
      if (howItWent === "untold" || isInLog || (begin === null && !isAsked)) return;
      const text = (require("../progress/text.ts") as { readonly summaryText: typeof summaryText }).summaryText(
        look(),
        systemClock.now() - since,
      );
      if (text !== null) print(`${begin ?? ""}${text}\n`);
    },
  };
}

/** Does the work, with what `look` sees on display. */
export async function withProgress<T>(
  parsed: ProgressWords,
  context: Context,
  look: () => Sight,
  work: () => Promise<T>,
): Promise<T> {
  const progress = beginProgress(parsed, context, look);
  try {
    const answer = await work();
    progress.end("told");
    return answer;
  } finally {
    progress.end("untold");
  }
}

/** What there is to see, by whoever knows it now. */
export interface Seen {
  look: () => Sight;
}

/** Nothing is known yet. */
export function unseen(): Seen {
  return { look: () => sight({ note: "starting" }) };
}

/** Does a piece of work, with what `look` sees on display where somebody wants that. */
export type Watching = <T>(look: () => Sight, work: () => Promise<T>) => Promise<T>;

/** The Watching of one call. */
export function watching(parsed: ProgressWords, context: Context): Watching {
  return (look, work) => withProgress(parsed, context, look, work);
}
