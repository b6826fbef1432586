/*
 * Runs what a page asks its reader to type: in one shell from the first command to the last, in an empty directory,
 * with a home of its own, as an ordinary user where root can act as one. What is still running at the end is ended.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openSite, type RunOptions } from "../e2e/harness.ts";
import { freePorts } from "../systems/ports.ts";
import { openUsers, type User, whyNoUsers } from "../systems/users.ts";
import { isShown } from "./compare.ts";
import type { Page, Shown, Step } from "./markdown.ts";

/** What a page is run with. */
export interface Means {
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** As the user who runs the tests: their Slurm and their sshd know no other. */
  readonly asSelf: boolean;
}

/** A place where a page is run. */
interface Place extends AsyncDisposable {
  readonly home: string;
  readonly work: string;
  readonly run: (line: string, options: RunOptions) => Promise<unknown>;
  /** Gives a file to who runs the page. */
  readonly handOver: (path: string) => void;
}

/** The longest that a page may take, in milliseconds. */
const timeoutMs = 150_000;

function placeOf(user: User, dispose: () => PromiseLike<void>): Place {
  const work = join(user.home, "work");
  const handOver = (path: string): void => chownSync(path, user.uid, user.uid);
  mkdirSync(work);
  handOver(work);
  return {
    home: user.home,
    work,
    run: (line, options) => user.run(line, { ...options, cwd: work }),
    handOver,
    [Symbol.asyncDispose]: dispose,
  };
}

function openPlace(asSelf: boolean): Place {
  if (whyNoUsers === null && !asSelf) {
    const users = openUsers();
    return placeOf(users.alice, () => users[Symbol.asyncDispose]());
  }
  const site = openSite();
  const home = join(site.path, "home");
  // Root's own place is one for the whole machine.
  const own = { HYPERSHELL_SITE: process.getuid?.() === 0 ? join(home, ".hypershell") : undefined };
  return {
    home,
    work: site.work,
    run: (line, options) => site.shell(line, { ...options, env: { ...options.env, ...own } }),
    handOver: () => undefined,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

/** A word that the page's shell takes as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The shell's script: each step is read from a file of its own, so that its lines have its numbers. */
function scriptOf(steps: readonly Step[], folder: string): string {
  const lines = steps.map((step, n) => {
    const at = quoted(join(folder, `${n}`));
    const strict = step.expected === null;
    // The status of the step before is there for `echo $?`.
    const source = `(exit $__status); ${strict ? "set -e; " : ""}. ${at}.sh >${at}.out 2>&1 </dev/null`;
    return `echo ${n} >${quoted(join(folder, "at"))}\n${source}\n__status=$?; set +e; echo $__status >${at}.status`;
  });
  return ["__status=0", "set -o pipefail", ...lines, ""].join("\n");
}

/** What differs from the page, in words; nothing: it is true. */
function faultsOf(step: Step, at: string, home: string): readonly string[] {
  const read = (end: string): string => (existsSync(`${at}.${end}`) ? readFileSync(`${at}.${end}`, "utf8") : "");
  const printed = read("out").replaceAll(home, "/home/you");
  const status = read("status").trim();
  const where = `line ${step.line}: ${step.text.trim()}`;
  if (status === "") return [`${where}\nended the page. It had printed:\n${printed}`];
  if (status !== "0" && !step.anyStatus) return [`${where}\nended with status ${status}. It printed:\n${printed}`];
  if (step.expected === null || isShown(step.expected, printed, step.anyOrder)) return [];
  return [`${where}\nprinted:\n${printed}instead of:\n${step.expected}`];
}

const isStep = (each: Step | Shown): each is Step => "expected" in each;

/** Runs a page; where it is not true, in words. `steps`: those of the page that can be run here. */
export async function runPage(page: Page, steps: Page["steps"], means: Means): Promise<readonly string[]> {
  await using place = openPlace(means.asSelf);
  const { home, work } = place;
  const folder = join(home, ".page");
  mkdirSync(folder);
  place.handOver(folder);
  const words = [...page.here].toSorted(([one], [other]) => other.length - one.length);
  const meant = (text: string): string => words.reduce((all, [word, here]) => all.replaceAll(word, here), text);
  const toRun: Step[] = steps.map((each, n) => {
    if (isStep(each)) return { ...each, text: meant(each.text) };
    // A file is written when its turn comes: the page may show it twice.
    const source = join(folder, `file-${n}`);
    writeFileSync(source, meant(each.text));
    const path = each.path.replace(/^~/, home);
    const text = `mkdir -p ${quoted(dirname(path))}\ncp ${quoted(source)} ${quoted(path)}\n`;
    return { line: each.line, text, expected: null, anyOrder: false, anyStatus: false, needs: each.needs };
  });
  toRun.forEach((step, n) => writeFileSync(join(folder, `${n}.sh`), step.text));
  writeFileSync(join(folder, "page.sh"), scriptOf(toRun, folder));
  const env = { HYPERSHELL_SERVER_PORT: `${freePorts(1)[0]}`, ...means.env };
  // Servers that the page leaves running hold no pipe of ours.
  const line = `cd ${quoted(work)}; bash ${quoted(join(folder, "page.sh"))} >/dev/null 2>&1`;
  // When it does not end, that is told of the step at which it stood.
  await place.run(line, { env, timeoutMs }).catch(() => undefined);
  const ended = toRun.map((step, n) => faultsOf(step, join(folder, `${n}`), home));
  // What comes behind a step that ended the page was not tried.
  const last = Number(readFileSync(join(folder, "at"), "utf8"));
  return ended.slice(0, last + 1).flat();
}
