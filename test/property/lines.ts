/*
 * Command lines for shells, made by a seed: what people write, put together by the grammar of
 * src/client/reusable.ts, and sometimes with a sign too many or too few, so that what is nearly refused is tried, too.
 * None reads or writes outside of its folder.
 */
import type { Random } from "../simulation/random.ts";

const programs = [
  "true",
  "false",
  ":",
  "pwd",
  "umask",
  "exit",
  "exit 3",
  "exit $?",
  "env",
  "cat f",
  "cat f g",
  "cat nowhere",
  "ls",
  "wc -l",
  "sort -r",
  "tr a-z A-Z",
  "head -n 1",
  "tail -n 2",
  "grep o f",
  "grep -c x",
  "cut -c1-3",
  "sed s/o/0/",
  "uniq",
  "cat",
  "read x",
  "seq 3",
  "mkdir m",
  "rm f",
  "touch k",
  "cd d",
  "cd ..",
  "cd nowhere",
  "cd",
  "test -f f",
  "[ -d d ]",
  "[ a = b ]",
  "[ 1 -lt",
  "umask 077",
  "export X=2",
  "export Z",
  "unset X",
  "unset PATH",
  "no-such-program",
  "./f",
  "./dies KILL",
  "./dies TERM",
  "./dies SEGV",
  "sh -c 'exit 4'",
  "sh -c 'echo $0 $PWD' a",
  "./dies HUP",
  "sh -c 'cat g >&2' 2>h",
  "ls /proc/self/fd",
  "readlink /proc/self/fd/0",
  "env -i pwd",
  "nice",
  "test -t 1",
  "xargs echo",
  "timeout 9 true",
  "printenv X TASK_ID",
  "cat /proc/self/limits",
] as const;
const words = [
  "a",
  "b c",
  "'a b'",
  '"a b"',
  "*",
  "f*",
  "[fg]",
  "?",
  "~",
  "$X",
  '"$X"',
  "${X:-d}",
  "${Y-e f}",
  "${Y:=g}",
  "${X#a}",
  "${X%%b*}",
  "${#X}",
  "$?",
  '"$?"',
  "$#",
  "$@",
  "$TASK_ID",
  "$TASK_TAG_SITE",
  "$(echo a b)",
  '"$(cat f)"',
  "`echo e`",
  "$((1 + 2))",
  "$((n * 3))",
  "\\$X",
  "a\\ b",
  "{a,b}",
  "é",
  "'it'\\''s'",
  '"\\"q\\" \\\\ $X"',
  "a=b",
  "#x".slice(1),
  "-n",
  "--",
  "%s",
  "x#y",
  '"$(echo "$(echo c)")"',
  "''",
  '""',
  "$(false)",
  "$y",
] as const;
const redirections = [
  "> h",
  ">> f",
  "< f",
  "2> h",
  "2>&1",
  ">&2",
  "2>/dev/null",
  "< nowhere",
  "> nowhere/h",
  ">| g",
  "<> f",
  ">&-",
  "<&-",
  '> "a b"',
  "> $y",
] as const;
const signs = "'\"$`\\;|&<>(){}#!*?~ =x1-";

const pick = <Item>(from: readonly Item[], rng: Random): Item => from[rng.between(0, from.length - 1)]!;

/** A line of some commands. */
export function makeLine(rng: Random): string {
  const line = list(rng, 0);
  return rng.chance(0.3) ? bent(line, rng) : line;
}

function list(rng: Random, depth: number): string {
  let text = pipeline(rng, depth);
  while (rng.chance(0.4)) text += `${pick([" && ", " || ", "; ", ";", " ; "], rng)}${pipeline(rng, depth)}`;
  return rng.chance(0.05) ? `${text};` : text;
}

function pipeline(rng: Random, depth: number): string {
  let text = rng.chance(0.05) ? "! " : "";
  text += command(rng, depth);
  while (rng.chance(0.25)) text += `${pick([" | ", "|"], rng)}${command(rng, depth)}`;
  return text;
}

function command(rng: Random, depth: number): string {
  const parts: string[] = [];
  while (rng.chance(0.1))
    parts.push(`${pick(["x", "n", "X", "IFS", "PATH", "_a"], rng)}=${rng.chance(0.8) ? word(rng, depth) : ""}`);
  if (parts.length === 0 || rng.chance(0.6)) {
    if (rng.chance(0.5)) parts.push(pick(programs, rng));
    else parts.push(pick(["echo", "printf '%s.'", "echo", ": ", "cat"], rng), ...wordsOf(rng, depth));
  }
  while (rng.chance(0.15)) parts.splice(rng.between(0, parts.length), 0, pick(redirections, rng));
  return parts.join(" ");
}

function wordsOf(rng: Random, depth: number): readonly string[] {
  const made: string[] = [];
  while (rng.chance(0.65)) made.push(word(rng, depth));
  return made;
}

function word(rng: Random, depth: number): string {
  if (depth < 2 && rng.chance(0.1)) return `${rng.chance(0.5) ? "" : "a"}$(${list(rng, depth + 1)})`;
  const first = pick(words, rng);
  return rng.chance(0.2) ? `${first}${pick(words, rng)}` : first;
}

/** A line with a sign more or less, or two that have changed places. */
function bent(line: string, rng: Random): string {
  const at = rng.between(0, line.length);
  const sign = signs[rng.between(0, signs.length - 1)]!;
  if (rng.chance(0.5)) return line.slice(0, at) + sign + line.slice(at);
  if (rng.chance(0.5)) return line.slice(0, at) + line.slice(at + 1);
  return line.slice(0, at) + sign + line.slice(at + 1);
}
