/*
 * The modules `path` (also `os.path`), `os` and `dt` (Python's datetime), and the methods and attributes of their
 * values.
 *
 *   path     basename dirname exists getmtime getsize isabs isdir isfile join normpath split splitext
 *   os       environ (get, [name], in) getenv path sep
 *   dt       datetime date timedelta timezone (timezone.utc)
 *
 * Nothing here writes, starts or waits for anything.
 */
import { fail } from "./failure.ts";
import {
  builtins,
  dictMethods,
  expectInteger,
  expectNumber,
  floatMethods,
  integerMethods,
  sequenceMethods,
} from "./builtins.ts";
import {
  dateOf,
  dayMicros,
  dayOf,
  daysOf,
  expectDate,
  expectTime,
  fieldsOf,
  fromTimestamp,
  inZone,
  isoWeek,
  microsOf,
  moment,
  roundedMicros,
  secondMicros,
  secondsToMicros,
  span,
  timestampOf,
  utc,
  weekdayOf,
  zone,
} from "./calendar.ts";
import type { Day, Moment, Span, Zone } from "./calendar.ts";
import { dateText, momentText, strftime } from "./dateformat.ts";
import { parseIso, strptime } from "./dateparse.ts";
import { floorDivide, floorRemainder, trueDivide } from "./integer.ts";
import { mathematics } from "./mathematics.ts";
import { osPaths } from "../base/ospath.ts";
import { signature } from "./signature.ts";
import { expectText, textMethods } from "./strings.ts";
import { described, numberOf, tuple } from "./value.ts";
import type { Body, Callable, Signature, TypeName, Value } from "./value.ts";

/** What a name stands for: a value, or a module of further names. */
export type Name =
  | { readonly is: "value"; readonly value: Value }
  | { readonly is: "module"; readonly names: ReadonlyMap<string, Name> };

function callable(shape: string, body: Body, type: TypeName | null = null): Callable {
  return { kind: "function", signature: signature(shape, body), type };
}

function moduleOf(
  values: Iterable<readonly [string, Value]>,
  modules: readonly (readonly [string, Name])[] = [],
): Name {
  const names = new Map<string, Name>(modules);
  for (const [name, value] of values) names.set(name, { is: "value", value });
  return { is: "module", names };
}

function functions(prefix: string, entries: readonly (readonly [string, Body])[]): (readonly [string, Value])[] {
  return entries.map(([shape, body]) => [shape.slice(0, shape.indexOf("(")), callable(`${prefix}${shape}`, body)]);
}

// path

const pathFunctions = functions("path.", [
  ["basename(path)", ([path], _rest, { paths }) => paths.baseName(expectText(path, "basename()"))],
  ["dirname(path)", ([path], _rest, { paths }) => paths.dirName(expectText(path, "dirname()"))],
  [
    "split(path)",
    ([path], _rest, { paths }) => {
      const whole = expectText(path, "split()");
      return tuple([paths.dirName(whole), paths.baseName(whole)]);
    },
  ],
  ["splitext(path)", ([path], _rest, { paths }) => tuple(paths.splitExtension(expectText(path, "splitext()")))],
  ["normpath(path)", ([path], _rest, { paths }) => paths.normalPath(expectText(path, "normpath()"))],
  ["isabs(path)", ([path], _rest, { paths }) => paths.isAbsolute(expectText(path, "isabs()"))],
  [
    "join(path, *more)",
    ([path], more, { paths }) => paths.joinPaths([path, ...more].map((part) => expectText(part, "join()"))),
  ],
  ["exists(path)", ([path], _rest, { file }) => file(expectText(path, "exists()")) !== null],
  ["isfile(path)", ([path], _rest, { file }) => file(expectText(path, "isfile()"))?.type === "file"],
  ["isdir(path)", ([path], _rest, { file }) => file(expectText(path, "isdir()"))?.type === "folder"],
  [
    "getsize(path)",
    ([path], _rest, { file }) =>
      BigInt((file(expectText(path, "getsize()")) ?? fail(`there is no file '${String(path)}'`)).bytes),
  ],
  [
    "getmtime(path)",
    ([path], _rest, { file }) =>
      (file(expectText(path, "getmtime()")) ?? fail(`there is no file '${String(path)}'`)).modifiedAt / 1000,
  ],
]);
const path = moduleOf(pathFunctions);

// os

const getEnvironment: Body = ([name, otherwise], _rest, { environment }) =>
  environment(expectText(name, "the name of a variable")) ?? otherwise ?? null;
const os = moduleOf(
  [
    ["environ", { kind: "environment" }],
    ["getenv", callable("os.getenv(key!, default=)", getEnvironment)],
    ["sep", osPaths.separator],
  ],
  [["path", path]],
);

// dt

function optionalZone(value: Value | undefined): Zone | null {
  if (value === undefined || value === null) return null;
  return typeof value === "object" && value.kind === "zone"
    ? value
    : fail(`a time zone is expected, not ${described(value)}`);
}

function expectSpan(value: Value | undefined): Span {
  if (value !== undefined && value !== null && typeof value === "object" && value.kind === "span") return value;
  return fail(`a timedelta is expected, not ${described(value ?? null)}`);
}

function expectMoment(value: Value | undefined): Moment {
  if (value !== undefined && value !== null && typeof value === "object" && value.kind === "moment") return value;
  return fail(`a datetime is expected, not ${described(value ?? null)}`);
}

function expectDay(value: Value | undefined): Day | Moment {
  if (
    value !== undefined &&
    value !== null &&
    typeof value === "object" &&
    (value.kind === "day" || value.kind === "moment")
  )
    return value;
  return fail(`a date is expected, not ${described(value ?? null)}`);
}

function field(value: Value | undefined, otherwise: number): number {
  return value === undefined ? otherwise : Number(expectInteger(value, "a date"));
}

const newMoment: Body = ([year, month, dayOfMonth, hour, minute, seconds, microsecond, at]) => {
  const days = expectDate(field(year, 0), field(month, 0), field(dayOfMonth, 0));
  const time = {
    hour: field(hour, 0),
    minute: field(minute, 0),
    second: field(seconds, 0),
    microsecond: field(microsecond, 0),
  };
  return moment(BigInt(days) * dayMicros + expectTime(time), optionalZone(at));
};

const spanUnits = [dayMicros, secondMicros, 1n, 1000n, 60n * secondMicros, 3600n * secondMicros, 7n * dayMicros];

const newSpan: Body = (args) => {
  let whole = 0n;
  let fraction = 0;
  spanUnits.forEach((unit, place) => {
    const value = args[place];
    if (value === undefined) return;
    const [micros, rest] = microsOf(expectNumber(value, "timedelta()"), unit);
    whole += micros;
    fraction += rest;
  });
  return span(roundedMicros(whole, fraction));
};

function nowMicros(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds * 1000));
}

const momentName = moduleOf([
  ...functions("datetime.", [
    [
      "fromtimestamp(timestamp!, tz=)",
      ([timestamp, at]) => fromTimestamp(secondsToMicros(expectNumber(timestamp, "fromtimestamp()")), optionalZone(at)),
    ],
    [
      "utcfromtimestamp(timestamp)",
      ([timestamp]) => moment(secondsToMicros(expectNumber(timestamp, "utcfromtimestamp()")), null),
    ],
    ["now(tz=)", ([at], _rest, { now }) => fromTimestamp(nowMicros(now()), optionalZone(at))],
    ["today()", (_args, _rest, { now }) => fromTimestamp(nowMicros(now()), null)],
    ["utcnow()", (_args, _rest, { now }) => moment(nowMicros(now()), null)],
    [
      "strptime(text, format)",
      ([text, format]) => strptime(expectText(text, "strptime()"), expectText(format, "strptime()")),
    ],
    ["fromisoformat(text)", ([text]) => parseIso(expectText(text, "fromisoformat()"))],
  ]),
]);

const dayName = moduleOf([
  ...functions("date.", [
    ["today()", (_args, _rest, { now }) => dateOf(fromTimestamp(nowMicros(now()), null))],
    [
      "fromtimestamp(timestamp)",
      ([timestamp]) => dateOf(fromTimestamp(secondsToMicros(expectNumber(timestamp, "fromtimestamp()")), null)),
    ],
    ["fromisoformat(text)", ([text]) => dateOf(parseIso(expectText(text, "fromisoformat()")))],
    [
      "fromordinal(ordinal)",
      ([ordinal]) => dayOf(Number(expectInteger(ordinal, "fromordinal()")) - 1 + daysOf(1, 1, 1)),
    ],
  ]),
]);

/** The names that are types: they can be called, and have functions of their own. */
const types: readonly (readonly [string, Callable, Name])[] = [
  [
    "datetime",
    callable("datetime(year!, month!, day!, hour=, minute=, second=, microsecond=, tzinfo=)", newMoment, "moment"),
    momentName,
  ],
  [
    "date",
    callable(
      "date(year!, month!, day!)",
      ([year, month, d]) => dayOf(expectDate(field(year, 0), field(month, 0), field(d, 0))),
      "day",
    ),
    dayName,
  ],
  [
    "timedelta",
    callable("timedelta(days=, seconds=, microseconds=, milliseconds=, minutes=, hours=, weeks=)", newSpan, "span"),
    moduleOf([]),
  ],
  ["timezone", callable("timezone(offset!)", ([offset]) => zone(expectSpan(offset)), "zone"), moduleOf([["utc", utc]])],
];

const dt = moduleOf(types.map(([name, value]) => [name, value] as const));

/** The functions that stand behind the name of a type, such as `datetime.now`. */
const typeNames = new Map<Signature, ReadonlyMap<string, Name>>();
for (const [, value, own] of types) if (own.is === "module") typeNames.set(value.signature, own.names);

/** The names that an expression can begin with. `x` is not among them: the parser knows it. */
export const globals: ReadonlyMap<string, Name> = new Map<string, Name>([
  ...Array.from(builtins, ([name, value]) => [name, { is: "value", value }] as const),
  ["math", moduleOf(mathematics)],
  ["path", path],
  ["os", os],
  ["dt", dt],
]);

// Methods and attributes of dates.

function methods(entries: readonly (readonly [string, Body])[]): ReadonlyMap<string, Signature> {
  return new Map(entries.map(([shape, body]) => [shape.slice(0, shape.indexOf("(")), signature(shape, body)]));
}

const calendarMethods: readonly (readonly [string, Body])[] = [
  ["weekday(date)", ([value]) => BigInt(weekdayOf(dateOf(expectDay(value)).days))],
  ["isoweekday(date)", ([value]) => BigInt(weekdayOf(dateOf(expectDay(value)).days) + 1)],
  ["isocalendar(date)", ([value]) => tuple(isoWeek(expectDay(value)).map(BigInt))],
  ["toordinal(date)", ([value]) => BigInt(dateOf(expectDay(value)).days - daysOf(1, 1, 1) + 1)],
  ["strftime(date, format!)", ([value, format]) => strftime(expectDay(value), expectText(format, "strftime()"))],
  ["ctime(date)", ([value]) => strftime(expectDay(value), "%a %b %e %H:%M:%S %Y")],
];

const momentMethods = methods([
  ...calendarMethods,
  [
    "isoformat(date, sep=, timespec=)",
    ([value, sep, precision]) =>
      momentText(
        expectMoment(value),
        expectText(sep ?? "T", "isoformat()"),
        expectText(precision ?? "auto", "isoformat()"),
      ),
  ],
  ["timestamp(date)", ([value]) => trueDivide(timestampOf(expectMoment(value)), secondMicros)],
  ["date(date)", ([value]) => dateOf(expectMoment(value))],
  ["astimezone(date, tz=)", ([value, at]) => inZone(expectMoment(value), optionalZone(at))],
  [
    "utcoffset(date)",
    ([value]) => {
      const { zone: own } = expectMoment(value);
      return own === null ? null : span(own.micros);
    },
  ],
  [
    "replace(date, year=, month=, day=, hour=, minute=, second=, microsecond=, tzinfo=)",
    ([value, ...fresh], rest, system) => {
      const given = expectMoment(value);
      const old = fieldsOf(given);
      const kept = [old.year, old.month, old.day, old.hour, old.minute, old.second, old.microsecond].map(BigInt);
      const at = fresh[7] === undefined ? given.zone : fresh[7];
      return newMoment([...kept.map((own, place) => fresh[place] ?? own), at], rest, system);
    },
  ],
]);

const dayMethods = methods([
  ...calendarMethods,
  ["isoformat(date)", ([value]) => dateText(expectDay(value))],
  [
    "replace(date, year=, month=, day=)",
    ([value, year, month, d]) => {
      const old = fieldsOf(expectDay(value));
      return dayOf(expectDate(field(year, old.year), field(month, old.month), field(d, old.day)));
    },
  ],
]);

const spanMethods = methods([["total_seconds(span)", ([value]) => trueDivide(expectSpan(value).micros, secondMicros)]]);

const environmentMethods = methods([
  ["get(environment, key, default?)", ([, ...args], rest, around) => getEnvironment(args, rest, around)],
]);

const none: ReadonlyMap<string, Signature> = new Map();

const methodsOfTypes: Readonly<Record<TypeName, ReadonlyMap<string, Signature>>> = {
  none,
  bool: integerMethods,
  int: integerMethods,
  float: floatMethods,
  str: textMethods,
  list: sequenceMethods,
  tuple: sequenceMethods,
  dict: dictMethods,
  range: sequenceMethods,
  day: dayMethods,
  moment: momentMethods,
  span: spanMethods,
  zone: none,
  environment: environmentMethods,
  function: none,
};

/** The method of a type by its name, whose first argument is the value itself; null when it has none. */
export function methodOf(type: TypeName, name: string): Signature | null {
  return methodsOfTypes[type].get(name) ?? null;
}

const calendarAttributes = ["year", "month", "day"] as const;
const clockAttributes = ["hour", "minute", "second", "microsecond"] as const;

/** An attribute that is no method; null when the value has none of that name. */
export function attributeOf(value: Value, name: string): { readonly value: Value } | null {
  const number = numberOf(value);
  if (number !== null) {
    if (name === "real") return { value: number };
    if (name === "imag") return { value: typeof number === "bigint" ? 0n : 0 };
    if (typeof number === "bigint" && name === "numerator") return { value: number };
    if (typeof number === "bigint" && name === "denominator") return { value: 1n };
    return null;
  }
  if (value === null || typeof value !== "object") return null;
  switch (value.kind) {
    case "day":
    case "moment": {
      const found =
        calendarAttributes.find((own) => own === name) ??
        (value.kind === "moment" ? clockAttributes.find((own) => own === name) : undefined);
      if (found !== undefined) return { value: BigInt(fieldsOf(value)[found]) };
      return value.kind === "moment" && name === "tzinfo" ? { value: value.zone } : null;
    }
    case "span":
      if (name === "days") return { value: floorDivide(value.micros, dayMicros) };
      if (name === "seconds") return { value: floorRemainder(value.micros, dayMicros) / secondMicros };
      if (name === "microseconds") return { value: floorRemainder(value.micros, secondMicros) };
      return null;
    case "range":
      return name === "start" || name === "stop" || name === "step" ? { value: value[name] } : null;
    default:
      return null;
  }
}

/**
 * What a name behind a function means, where the function is a type: one of its own functions (`datetime.now`), or a
 * method that takes the value as its first argument (`str.upper`). Null when there is no such name.
 */
export function memberOfType({ signature: own, type }: Callable, name: string): Name | null {
  const found = typeNames.get(own)?.get(name);
  if (found !== undefined) return found;
  const method = type === null ? null : methodOf(type, name);
  return method === null ? null : { is: "value", value: { kind: "function", signature: method, type: null } };
}

/** Every name that can stand behind the dot of some value. Any other is a mistake, whatever the value is. */
export const memberNames: ReadonlySet<string> = new Set([
  ...Object.values(methodsOfTypes).flatMap((own) => [...own.keys()]),
  ...calendarAttributes,
  ...clockAttributes,
  "tzinfo",
  "days",
  "seconds",
  "microseconds",
  "start",
  "stop",
  "step",
  "real",
  "imag",
  "numerator",
  "denominator",
]);
