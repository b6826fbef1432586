/*
 * Layouts of log lines: printf-style `%(attribute)[flags][width][.precision]type`, type one of s d f. A layout is
 * compiled once into a list of functions; writing a line only calls them. What is wrong with a layout is found when it
 * is compiled.
 *
 *   layout    = { text | "%%" | field }
 *   field     = "%(" attribute ")" { flag } [ width ] [ "." precision ] ( "s" | "d" | "i" | "f" )
 *   flag      = "-" | "0" | " " | "+" | "#"
 */
import { ansi, ansiNames } from "./colour.ts";
import { compileDate } from "./dates.ts";
import { levels } from "./levels.ts";
import type { LevelName } from "./logger.ts";

/** A line before it is rendered. `name` is complete (`hypershell.server`), `at` is in ms since 1970. */
export interface Line {
  readonly level: LevelName;
  readonly name: string;
  readonly message: string;
  readonly at: number;
}

/** What a layout may say about the process. */
export interface Origin {
  /** Instance id of this process. */
  readonly appId: string;
  readonly hostname: string;
  readonly pid: number;
  /** ms since 1970. */
  readonly startedAt: number;
  /** Path of the program. */
  readonly program: string;
}

export interface Layout {
  readonly format: string;
  readonly dateFormat: string;
  readonly coloured: boolean;
}

type Text = (line: Line) => string;
type Attribute =
  { readonly kind: "text"; readonly of: Text } | { readonly kind: "number"; readonly of: (line: Line) => number };

/** Everything that can be told about a line, by the names that layouts use. */
function attributes(origin: Origin, layout: Layout): Readonly<Record<string, Attribute>> {
  const text = (of: Text): Attribute => ({ kind: "text", of });
  const number = (of: (line: Line) => number): Attribute => ({ kind: "number", of });
  const always = (value: string): Attribute => text(() => value);
  const date = compileDate(layout.dateFormat);
  const elapsedMs = (line: Line): number => Math.max(0, line.at - origin.startedAt);
  const module = (line: Line): string => line.name.slice(line.name.lastIndexOf(".") + 1);
  const table: Record<string, Attribute> = {
    app_id: always(origin.appId),
    hostname: always(origin.hostname),
    hostname_short: always(origin.hostname.split(".", 1)[0]!),
    relative_name: text((line) =>
      line.name.startsWith("hypershell.") ? line.name.slice("hypershell.".length) : line.name,
    ),
    elapsed: number((line) => elapsedMs(line) / 1000),
    elapsed_ms: number((line) => Math.floor(elapsedMs(line))),
    elapsed_delta: text((line) => elapsedDelta(elapsedMs(line))),
    elapsed_hms: text((line) => elapsedHms(elapsedMs(line))),
    asctime: text((line) => date(line.at)),
    msecs: number((line) => Math.floor(line.at) % 1000),
    created: number((line) => line.at / 1000),
    relativeCreated: number(elapsedMs),
    levelname: text((line) => line.level),
    levelno: number((line) => levels[line.level].number),
    name: text((line) => line.name),
    message: text((line) => line.message),
    process: number(() => origin.pid),
    processName: always("MainProcess"),
    // One thread writes the log, and on Linux the first thread's id is that of the process.
    thread: number(() => origin.pid),
    threadName: always("MainThread"),
    module: text(module),
    // Which line of source spoke is not known in a compiled program; the names stay valid in layouts.
    funcName: always("<module>"),
    lineno: number(() => 0),
    filename: text((line) => `${module(line)}.ts`),
    pathname: always(origin.program),
    ansi_level: text((line) => ansi(levels[line.level].colour, layout.coloured)),
  };
  for (const name of ansiNames) table[`ansi_${name}`] = always(ansi(name, layout.coloured));
  return table;
}

const fieldShape = /%(?:%|\(([^()]*)\)([-0 +#]*)(\d*)(?:\.(\d+))?([A-Za-z])|)/g;
/** A greater width is a slip, and would make every line as long. */
const widthMax = 1000;

/** The renderer of a layout, or what is wrong with it: one sentence, for people. The syntax is that of Python's `%`. */
export function compileLayout(layout: Layout, origin: Origin): { render: Text } | { problem: string } {
  const known = attributes(origin, layout);
  const parts: Text[] = [];
  let from = 0;
  for (const found of layout.format.matchAll(fieldShape)) {
    const before = layout.format.slice(from, found.index);
    if (before !== "") parts.push(() => before);
    from = found.index + found[0].length;
    if (found[0] === "%%") {
      parts.push(() => "%");
      continue;
    }
    const [whole, name, flags = "", width = "", precision, type = ""] = found;
    if (name === undefined) {
      const place = `stray '%' at character ${found.index + 1}`;
      return { problem: `${place} (write '%(name)s' for an attribute, '%%' for a percent sign)` };
    }
    const attribute = Object.hasOwn(known, name) ? known[name]! : null;
    if (attribute === null) return { problem: `unknown attribute '${name}' in '${whole}'` };
    if (!"sdif".includes(type)) return { problem: `unknown type '${type}' in '${whole}' (expected s, d or f)` };
    if (Number(width) > widthMax || Number(precision ?? 0) > 100) return { problem: `'${whole}' is too wide` };
    if (type !== "s" && attribute.kind !== "number")
      return { problem: `'${whole}' needs a number, but '${name}' is text` };
    parts.push(field(attribute, flags, Number(width), precision === undefined ? null : Number(precision), type));
  }
  const rest = layout.format.slice(from);
  if (rest !== "") parts.push(() => rest);
  return {
    render: (line) => {
      let out = "";
      for (const part of parts) out += part(line);
      return out;
    },
  };
}

function field(attribute: Attribute, flags: string, width: number, precision: number | null, type: string): Text {
  const left = flags.includes("-");
  const zero = !left && flags.includes("0") && type !== "s";
  const fit = (text: string): string => {
    if (text.length >= width) return text;
    if (left) return text.padEnd(width);
    if (!zero) return text.padStart(width);
    const sign = /^[-+ ]/.exec(text)?.[0] ?? "";
    return sign + text.slice(sign.length).padStart(width - sign.length, "0");
  };
  if (type === "s") {
    const plain: Text = attribute.kind === "text" ? attribute.of : (line) => String(attribute.of(line));
    const cut: Text = precision === null ? plain : (line) => plain(line).slice(0, precision);
    return width === 0 ? cut : (line) => fit(cut(line));
  }
  const of = attribute.of as (line: Line) => number;
  const plus = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const signed = (value: number, digits: string): string => (value < 0 ? digits : plus + digits);
  if (type === "f") return (line) => fit(signed(of(line), of(line).toFixed(precision ?? 6)));
  return (line) => {
    const value = Math.trunc(of(line));
    return fit(signed(value, String(value).padStart(precision ?? 0, "0")));
  };
}

const two = (value: number): string => String(value).padStart(2, "0");

const minutesAndSeconds = (seconds: number): string => `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;

/** `DD-HH:MM:SS.mmm` */
function elapsedHms(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const days = Math.floor(seconds / 86_400);
  const millis = String(Math.floor(ms) % 1000).padStart(3, "0");
  return `${two(days)}-${two(Math.floor(seconds / 3600) % 24)}:${minutesAndSeconds(seconds)}.${millis}`;
}

/** `H:MM:SS.ffffff`, after a day with `1 day, ` or `N days, ` in front. */
function elapsedDelta(ms: number): string {
  const micros = Math.round(ms * 1000);
  const seconds = Math.floor(micros / 1_000_000);
  const days = Math.floor(seconds / 86_400);
  const prefix = days === 0 ? "" : `${days} day${days === 1 ? "" : "s"}, `;
  const fraction = String(micros % 1_000_000).padStart(6, "0");
  return `${prefix}${Math.floor(seconds / 3600) % 24}:${minutesAndSeconds(seconds)}.${fraction}`;
}
