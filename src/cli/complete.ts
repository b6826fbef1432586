/*
 * `hs __complete`: what a shell asks when somebody presses Tab. It answers lines (complete-shells.ts), and on any
 * trouble it has no answer, because whoever types wants to read nothing else: no message, no status, nothing made or
 * changed.
 *
 *   hs __complete bash LINE BREAKS                 the line as far as the cursor, and COMP_WORDBREAKS
 *   hs __complete zsh | fish WORD... CURRENT       the first word is the program; the current one may be empty
 *   hs __complete powershell                       the same in HS_COMPLETE, with unit separators (31) between them
 */
import type { CommandDef } from "citty";
import { type Cursor, cursorAt } from "../args/cursor.ts";
import type { Option } from "../args/spec.ts";
import { systemClock } from "../base/clock.ts";
import { ownSpec } from "./hs.ts";
import {
  type Answer,
  answerLines,
  type Candidate,
  type Line,
  type ShellName,
  shellNames,
  splitLine,
  unquoted,
} from "./complete-shells.ts";
import { offerFor } from "./complete-values.ts";
import type { Surroundings } from "./context.ts";
import { programName } from "./program.ts";
import { calledAs, commandOf, listed, root, subCommandsOf } from "./verbs.ts";

/** An answer comes within so many ms, or not at all: a database may be far away. */
const mostMs = 2000;

const nothing: Answer = { candidates: [], native: "none", commandAt: 0, kept: "", value: "", replaces: false };

/** The lines for the shell that asks with these words; none on any trouble. Never throws. */
export async function complete([shell, ...words]: readonly string[], surroundings: Surroundings): Promise<string> {
  try {
    if (!isShell(shell)) return "";
    const breaks = shell === "bash" ? (words[1] ?? "") : "";
    const line = lineOf(shell, words, surroundings.env);
    const late = new Promise<Answer>((resolve) => void systemClock.after(mostMs, () => resolve(nothing)));
    const answer = await Promise.race([answerTo(line, surroundings), late]);
    return `${answerLines(answer, shell, line, breaks).join("\n")}\n`;
  } catch {
    // It says nothing, rather than writing over what somebody types.
    return "";
  }
}

const isShell = (name: string | undefined): name is ShellName => shellNames.some((each) => each === name);

function lineOf(shell: ShellName, words: readonly string[], env: Surroundings["env"]): Line {
  if (shell === "bash") return splitLine(words[0] ?? "");
  const given = shell === "powershell" ? (env["HS_COMPLETE"] ?? "").split("\u001f") : words;
  const current = given.at(-1) ?? "";
  const plain = shell === "fish" ? unquoted(current) : current;
  return { words: given.slice(0, -1), current: plain, raw: current, starts: [] };
}

async function answerTo(line: Line, surroundings: Surroundings): Promise<Answer> {
  const [program = "hs", ...rest] = line.words;
  const { current } = line;
  const isHsx = programName(program, program) === "hsx";
  const asksHelp = !isHsx && rest[0] === "help";
  const words = asksHelp ? rest.slice(1) : rest;
  const found = isHsx ? { command: calledAs("hsx")!, own: words } : descend(root, words);
  if (found === null) return nothing;
  const inner = subCommandsOf(found.command);
  const takesVerb = inner !== null && found.own.length === 0 && !current.startsWith("-");
  const verbs = takesVerb ? listed(found.command).map(({ name, summary }) => ({ text: name, help: summary })) : [];
  const more = found.command === root && !asksHelp ? [{ text: "help", help: "Show the help of a command" }] : [];
  if (verbs.length > 0 || asksHelp) return matching([...verbs, ...more], current, "");
  const spec = (await commandOf(found.command))?.spec ?? ownSpec;
  const cursor = cursorAt(spec, found.own, current);
  return answerAt(cursor, line, surroundings, line.words.length - found.own.length);
}

interface Found {
  readonly command: CommandDef;
  readonly own: readonly string[];
}

/** The command that the words name, and the words that are left for it; null: there is none of that name. */
function descend(above: CommandDef, words: readonly string[]): Found | null {
  const among = subCommandsOf(above);
  const [name, ...rest] = words;
  if (among === null || name === undefined || name.startsWith("-")) return { command: above, own: words };
  return Object.hasOwn(among, name) ? descend(among[name]!, rest) : null;
}

async function answerAt(cursor: Cursor, line: Line, surroundings: Surroundings, from: number): Promise<Answer> {
  const { options, expected, kept, positional, firstAt } = cursor;
  const { current } = line;
  if (expected === null)
    return matching(
      options.flatMap((each) => nameOf(each, current)),
      current,
      "",
    );
  const value = current.slice(kept.length);
  const { sourcesIn } = await import("./complete-sources.ts");
  const offer = await offerFor(expected, value, positional, sourcesIn(surroundings));
  const answer = matching(offer.candidates, value.slice(offer.kept.length), kept + offer.kept);
  const commandAt = firstAt === null ? line.words.length : from + firstAt;
  return { ...answer, native: offer.native, commandAt, value };
}

/** The long name of an option, or its only one; the short one where that is what was typed. */
function nameOf(option: Option, typed: string): readonly Candidate[] {
  const isShort = typed.length === 2 && typed !== "--" && option.names.includes(typed);
  const name = isShort ? typed : (option.names.find((each) => each.startsWith("--")) ?? option.names[0]);
  return name === undefined ? [] : [{ text: name, help: option.help }];
}

/** Those that begin as the value does; where none does, those with a part that does: `port` of `server.port`. */
function matching(candidates: readonly Candidate[], value: string, kept: string): Answer {
  const begin = candidates.filter(({ text }) => text.startsWith(value));
  const found = begin.length > 0 || value === "" ? begin : candidates.filter(({ text }) => hasPart(text, value));
  return { ...nothing, candidates: found, kept, value, replaces: begin.length === 0 && found.length > 0 };
}

function hasPart(text: string, value: string): boolean {
  return !value.startsWith("-") && text.split(/[_.]/).some((part) => part.startsWith(value));
}
