/*
 * Every message that the template parser and the expression language have for a user, word for word; the last test
 * reads the sources and names what has no row here. What the cases are about otherwise: parse.test.ts and
 * expression.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { TemplateError, TemplateSyntaxError } from "../../../src/template/errors.ts";
import { expand } from "../../../src/template/expand.ts";
import { parseTemplate } from "../../../src/template/parse.ts";
import { host, realShell } from "./host.ts";

type Rows = Readonly<Record<string, readonly (readonly [text: string, message: string])[]>>;

/** Templates that are malformed, with `problem`; `(a literal brace ...)` is added by the parser. */
const templates: readonly (readonly [template: string, problem: string])[] = [
  ["{[x]}", "an index is expected here (a literal brace is written '\\{')"],
  ["{[]}", "an index is missing between '[' and ']' (a literal brace is written '\\{')"],
  ["{[1:x]}", "':' or ']' is expected here (a literal brace is written '\\{')"],
  ["{[1:2:3:4]}", "']' is expected here (a literal brace is written '\\{')"],
  ["{[0}", "the pattern has no ']' (a literal brace is written '\\{')"],
  ["{[0]Qx}", "nothing but '}' may follow the 'Q' (a literal brace is written '\\{')"],
  ["{[0]x}", "nothing but '}' or 'Q}' may follow the ']' (a literal brace is written '\\{')"],
  ["{[::0]}", "the step of a slice must not be 0 (a literal brace is written '\\{')"],
  ["{% ls", "the pattern has no '%}' at its end (a literal brace is written '\\{')"],
  ["{= x", "the pattern has no '=}' at its end (a literal brace is written '\\{')"],
  ["{%%}", "a command is missing between '{%' and '%}'"],
];

/** Templates that cannot be expanded, their input, and the reason. */
const expansions: readonly (readonly [template: string, input: string, reason: string])[] = [
  ["{[2]}", "a b", "index out of range, the input has 2 words"],
  ["{[-2]}", "a", "index out of range, the input has 1 word"],
  ["{[0]}", "", "index out of range, the input has no words"],
  ["{= chr(x) =}", "0", "the result has a NUL character"],
  ["{= 1/x =}", "0", "division by zero"],
  ["{% printf 'a\\0b' %}", "a", "the result has a NUL character"],
  ["{% exit 3 %}", "a", "the command ended with status 3"],
];

/** Expressions that are malformed, with the problem. */
const malformed: Rows = {
  "what is missing": [
    ["", "an expression is missing"],
    [" ", "an expression is missing"],
    ["1 +", "a value is missing"],
    ["x if", "a value is missing"],
    ["not", "a value is missing"],
    ["*x", "a value is missing"],
    ["1 <> 2", "a value is missing"],
    ["1 if x", "'else' is missing: a value is needed for the other case too"],
    ["(1", "the parenthesis is not closed"],
    ["[1", "the bracket is not closed"],
    ["{1: 2", "the brace is not closed"],
    ["{1, 2}", "':' is missing after the key; sets are not supported"],
    ["abs(1", "')' is missing at the end of the arguments"],
    ["abs(1 2)", "')' is missing at the end of the arguments"],
    ["x[1", "']' is missing at the end of the index"],
    ["x[1 2]", "']' is missing at the end of the index"],
    ["x[1:2:3:4]", "']' is missing at the end of the index"],
    ["x[]", "an index is missing"],
    ["x.", "a name is missing after the dot"],
    ["x.1", "a name is missing after the dot"],
  ],
  "what is not supported": [
    ["[i for i in x]", "'i' is not a name that expressions know (comprehensions are not supported)"],
    ["(x for y in x)", "comprehensions are not supported"],
    ["x for y", "comprehensions are not supported"],
    ["i for i in x", "'i' is not a name that expressions know (comprehensions are not supported)"],
    ["lambda: 1", "'lambda' is not supported in expressions"],
    ["1 + lambda: 1", "'lambda' is not supported in expressions"],
    ["(yield)", "'yield' is not supported in expressions"],
    ["assert x", "'assert' is not supported in expressions"],
    ["x and def", "'def' is not supported in expressions"],
    ["(x := 1)", "assignments are not supported in expressions"],
    ["x = 1", "'=' is not an operator here; '==' compares"],
    ["max(*x)", "'*' before an argument is not supported"],
    ["max(1, **x)", "'*' before an argument is not supported"],
    ["b'a'", "bytes are not supported"],
    ["ub'a'", "bytes are not supported"],
    ["ur'a'", "a text cannot begin with 'ur'"],
    ["'\\N{DASH}'", "characters by name are not supported; write \\u and the number"],
  ],
  "what does not belong there": [
    ["x y", "'y' is not expected here"],
    ["x @ y", "'@' is not expected here"],
    ["1;2", "';' is not expected here"],
    ["é", "'é' is not a name that expressions know"],
    ["x 😀", "'😀' is not expected here"],
    ["(1]", "the parenthesis is not closed"],
    ["x $", "'$' is not expected here"],
    ["x else", "'else' is not expected here"],
    ["else", "a value is missing"],
  ],
  names: [
    ["foo", "'foo' is not a name that expressions know"],
    ["foo(i for i in x)", "'foo' is not a name that expressions know (comprehensions are not supported)"],
    ["dt", "'dt' is a module: name what is in it, after a dot"],
    ["math + 1", "'math' is a module: name what is in it, after a dot"],
    ["os.path", "'os.path' is a module: name what is in it, after a dot"],
    ["math.foo", "there is no math.foo"],
    ["os . system('ls')", "there is no os.system"],
    ["dt.datetime.foo()", "there is no dt.datetime.foo"],
    ["x.foo", "no value has a method or an attribute that is named 'foo'"],
    ["().__class__", "no value has a method or an attribute that is named '__class__'"],
  ],
  calls: [
    ["(1)(2)", "only functions can be called"],
    ["'a'('b')", "only functions can be called"],
    ["dt.timezone.utc()", "only functions can be called"],
    ["abs()", "abs() misses its argument number"],
    ["abs(1, 2)", "abs() takes at most 1 argument"],
    ["dt.date.today(1)", "date.today() takes no arguments"],
    ["int(foo=1)", "int() has no argument that is named foo"],
    ["int('1', 2, base=3)", "int() got the argument base twice"],
    ["sorted(x, reverse=1, reverse=0)", "sorted() got the argument reverse twice"],
    ["int(base=2, '1')", "an argument without a name comes after one with a name"],
  ],
  "numbers and texts": [
    ["012", "a number is not well formed"],
    ["1__0", "a number is not well formed"],
    ["1x", "a number is not well formed"],
    ["0b12", "a number is not well formed"],
    ["1j", "a number is not well formed"],
    ["'abc", "the text is not closed"],
    ["'''abc'", "the text is not closed"],
    ["'abc\\", "the text is not closed"],
    ["'\\x4'", "'\\x' takes 2 hexadecimal digits"],
    ["'\\u12'", "'\\u' takes 4 hexadecimal digits"],
    ["'\\U00110000'", "'\\U' takes 8 hexadecimal digits"],
    ["f'}'", "a single '}' in an f-string; write '}}' for the sign itself"],
    ["f'{}'", "an expression is missing in the field"],
    ["f'{!r}'", "an expression is missing in the field"],
    ["f'{x'", "the field is not closed"],
    ["f'{x!}'", "a conversion is missing after '!': r, s or a"],
    ["f'{x!z}'", "there is no conversion '!z'; it is !r, !s or !a"],
    ["f'{foo}'", "'foo' is not a name that expressions know"],
  ],
  "limits of the text": [
    ["(".repeat(300), "the expression is nested too deeply"],
    [`${"1+".repeat(6000)}1`, "the expression is too long"],
  ],
};

/** Expressions that have no value, with the reason. */
const failing: Rows = {
  numbers: [
    ["1/0", "division by zero"],
    ["1//0", "division by zero"],
    ["1%0", "division by zero"],
    ["1.0/0", "division by zero"],
    ["1.0//0", "division by zero"],
    ["divmod(1, 0)", "division by zero"],
    ["0**-1", "0 cannot be raised to a negative power"],
    ["(-8)**0.5", "a negative number to a fractional power is not a real number"],
    ["10.0**400", "the power is too large for a float"],
    ["10**400*1.0", "the integer is too large for a float"],
    ["10**400/3", "the result is too large for a float"],
    ["int('a')", "'a' is not an integer"],
    [
      "int('z' * 99)",
      "'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz...' is not an integer",
    ],
    ["int('a', 99)", "the base of int() must be 0 or from 2 to 36"],
    ["int(1, 2)", "int() with a base takes a text"],
    ["int('1', 1.5)", "int() takes an integer, not a float"],
    ["float('a')", "'a' is not a number"],
    [
      "float('a' * 99)",
      "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not a number",
    ],
    ["int(math.nan)", "nan cannot be made an integer"],
    ["int(math.inf)", "infinity cannot be made an integer"],
    ["round(1.7e308, -308)", "the rounded value is too large for a float"],
    ["1 << -1", "a shift by a negative number of bits"],
    ["pow(2, 3, 0)", "the third argument of pow() must not be 0"],
    ["pow(2, -1, 4)", "the base has no inverse for that modulus"],
    ["abs('a')", "abs() takes a number, not a text"],
    ["bin(1.5)", "bin() takes an integer, not a float"],
    ["chr(-1)", "the number of a character is from 0 to 0x10ffff"],
    ["chr('a')", "chr() takes an integer, not a text"],
    ["ord('ab')", "ord() takes exactly one character"],
    ["ord(1)", "ord() takes a text, not an integer"],
    ["math.inf.as_integer_ratio()", "the number is not finite"],
  ],
  math: [
    ["math.sqrt(-1)", "sqrt() is not defined there"],
    ["math.exp(1000)", "the result of exp() is too large for a float, or infinite"],
    ["math.log(0)", "log() of a number that is not above 0"],
    ["math.log2(-1)", "log2() of a number that is not above 0"],
    ["math.log(2, 1)", "division by zero"],
    ["math.sqrt('a')", "sqrt() takes a number, not a text"],
    ["math.fmod(1, 0)", "fmod() is not defined there"],
    ["math.remainder(1, 0)", "remainder() is not defined there"],
    ["math.ldexp(1, 5000)", "the result of ldexp() is too large for a float"],
    ["math.isclose(1, 1, rel_tol=-1)", "the tolerances of isclose() must not be negative"],
    ["math.fsum([math.inf, -math.inf])", "a sum of infinities of both signs"],
    ["math.dist((1,), (1, 2))", "dist() takes two points of the same dimension"],
    ["math.sumprod([1], [1, 2])", "sumprod() takes two sequences of the same length"],
    ["math.isqrt(-1)", "isqrt() of a negative number"],
    ["math.factorial(-1)", "factorial() of a negative number"],
    ["math.perm(-1)", "perm() of a negative number"],
    ["math.comb(-1, 1)", "comb() of a negative number"],
    ["math.factorial(1.5)", "factorial() takes an integer, not a float"],
    ["math.ceil(math.nan)", "nan cannot be made an integer"],
  ],
  operators: [
    ["'a' + 1", "'+' does not go with a text and an integer"],
    ["[1] + (1,)", "'+' does not go with a list and a tuple"],
    ["'a' - 'b'", "'-' does not go with a text and a text"],
    ["'a' * 'b'", "'*' does not go with a text and a text"],
    ["'a' / 1", "'/' does not go with a text and an integer"],
    ["None // 1", "'//' does not go with None and an integer"],
    ["[1] % 1", "'%' does not go with a list and an integer"],
    ["'a' ** 2", "'**' does not go with a text and an integer"],
    ["1.5 & 1", "'&' does not go with a float and an integer"],
    ["1 | 'a'", "'|' does not go with an integer and a text"],
    ["1 ^ None", "'^' does not go with an integer and None"],
    ["1.5 << 1", "'<<' does not go with a float and an integer"],
    ["1 >> 1.5", "'>>' does not go with an integer and a float"],
    ["-'a'", "'-' does not go with a text"],
    ["+[1]", "'+' does not go with a list"],
    ["~1.5", "'~' does not go with a float"],
    ["1 < 'a'", "an integer and a text have no order"],
    ["{} < {}", "a dict and a dict have no order"],
    ["1 in 2", "an integer is not a sequence"],
    ["1 in 'a'", "only a text can be in a text, not an integer"],
    ["len", "the function len is not a value; call it"],
    ["len + 1", "'+' does not go with a function and an integer"],
    ["os.environ", "os.environ as a whole cannot be printed; name a variable"],
    ["str(os.environ)", "os.environ as a whole cannot be printed; name a variable"],
  ],
  sequences: [
    ["x[0]", "an integer cannot be indexed"],
    ["'abc'[5]", "index out of range"],
    ["[1][-2]", "index out of range"],
    ["range(3)[3]", "index out of range"],
    ["'abc'[1.0]", "an index is an integer, not a float"],
    ["[1][::0]", "the step of a slice must not be 0"],
    ["'a'[1.5:]", "the bounds of a slice are integers, not a float"],
    ["x[:1]", "an integer cannot be sliced"],
    ["range(1, 2, 0)", "the step of range() must not be 0"],
    ["{'a': 1}['b']", "the dict has no key 'b'"],
    ["{1: 1}[(2, 'a')]", "the dict has no key (2, 'a')"],
    ["{1: 1}[2.5]", "the dict has no key 2.5"],
    ["{[1]: 2}", "a list cannot be a key of a dict"],
    ["{}[len]", "a function cannot be a key of a dict"],
    ["dict([1])", "an integer is not a sequence"],
    ["dict([(1, 2, 3)])", "dict() takes a list of pairs"],
    ["len(1)", "an integer is not a sequence"],
    ["sum(['a'], '')", "sum() does not join texts; use ''.join()"],
    ["reversed({})", "a dict cannot be reversed"],
    ["sorted([1, 'a'])", "a text and an integer have no order"],
    ["sorted([1], 2)", "sorted() takes one sequence; key and reverse go by name"],
    ["map(1, [1])", "an integer is not a function"],
    ["max()", "max() needs values"],
    ["max([])", "max() of nothing"],
    ["min([])", "min() of nothing"],
    ["[1].index(2)", "the value does not occur"],
  ],
  texts: [
    ["x.upper()", "an integer has no method upper(); str() makes a text of it"],
    ["None.items()", "None has no method items()"],
    ["'a'.upper", "upper is a method: call it, as in .upper()"],
    ["'a'.days", "a text has no attribute days"],
    ["'a'.upper(1)", "upper() takes no arguments"],
    ["'a'.split(foo=1)", "split() has no argument that is named foo"],
    ["'a'.replace('b')", "replace() misses its argument new"],
    ["'a'.index('b')", "the text does not occur"],
    ["'a,b'.split('')", "the separator must not be empty"],
    ["'a'.partition('')", "the separator must not be empty"],
    ["','.join([1])", "join() takes a text, not an integer"],
    ["'a'.split(1)", "split() takes a text, not an integer"],
    ["'a'.center('a')", "center() takes an integer, not a text"],
    ["'a'.center(5, 'ab')", "center() fills with exactly one character"],
    ["'a'.find('a', 'b')", "a place takes an integer, not a text"],
    ["'a'.startswith(1)", "startswith() takes a text, not an integer"],
  ],
  formats: [
    ["f'{x:q}'", "the format type 'q' is not for integers"],
    ["f'{x:é}'", "'é' is not a format specification"],
    ["f'{\"a\":d}'", "the format type 'd' is not for text"],
    ["f'{\"a\":+}'", "sign, '#', '=', 'z' and grouping are not for text"],
    ["f'{1.5:d}'", "the format type 'd' is not for floats"],
    ["f'{1.5:,n}'", "',' does not go with the format type 'n'"],
    ["f'{1:.2}'", "a precision is not for integers"],
    ["f'{1:z}'", "'z' is not for integers"],
    ["f'{1:+c}'", "sign, '#' and grouping do not go with the format type 'c'"],
    ["f'{1:s}'", "the format type 's' is not for integers"],
    ["f'{1:,x}'", "',' does not go with the format type 'x'"],
    ["f'{1:_n}'", "'_' does not go with the format type 'n'"],
    ["f'{[1]:>9}'", "a list takes no format specification"],
    ["f'{1.5:.5000f}'", "a precision may be at most 4300"],
    ["f'{1.5:.5000e}'", "a precision may be at most 4300"],
  ],
  "%": [
    ["'%d' % 'a'", "'%d' takes an integer, not a text"],
    ["'%x' % 1.5", "'%x' takes an integer, not a float"],
    ["'%f' % 'a'", "'%f' takes a number, not a text"],
    ["'%s %s' % (1,)", "'%' formatting has too few values"],
    ["'%s' % (1, 2)", "'%' formatting has more values than places"],
    ["'%*d' % ('a', 1)", "a '*' in '%' formatting takes an integer"],
    ["'%' % 1", "a '%' at the end of the format; write '%%' for the sign itself"],
    ["'%(a)s' % 1", "'%(name)' formatting takes a dict"],
    ["'%(b)s' % {'a': 1}", "the dict has no key 'b'"],
    ["'%c' % 'ab'", "'%c' takes one character or its number"],
    ["'%y' % 1", "'%' formatting does not know the type 'y'"],
  ],
  "str.format": [
    ["'{} {0}'.format(1)", "format() takes either numbered fields or fields without numbers"],
    ["'{name}'.format(1)", "format() has no value that is named 'name'; use an f-string"],
    ["'{a.b}'.format(1)", "format() has no value that is named 'a'; use an f-string"],
    ["'{1}'.format(1)", "format() has no value for the field {1}"],
    ["'{}'.format()", "format() has no value for the field {}"],
    ["'{'.format(1)", "a field of format() is not closed, or has what it cannot have: '{'"],
    ["'}'.format(1)", "a single '}' in format(); write '}}' for the sign itself"],
    ["'{:{:{:{}}}}'.format(1, 2, 3, 4)", "fields of format() are nested too deeply"],
    ["'{!z}'.format(1)", "there is no conversion '!z'; it is !r, !s or !a"],
    ["'{[b]}'.format({'a': 1})", "the dict has no key 'b'"],
    ["'{[0]}'.format(1)", "an integer cannot be indexed"],
    ["'{[a]}'.format([1])", "'a' is not an index"],
    ["'{[9]}'.format([1])", "index out of range"],
  ],
  "files and environment": [
    ["path.getsize('/nowhere')", "there is no file '/nowhere'"],
    ["path.getmtime('/nowhere')", "there is no file '/nowhere'"],
    ["path.exists(1)", "exists() takes a text, not an integer"],
    ["os.environ['NO_SUCH']", "there is no environment variable NO_SUCH"],
    ["os.environ[1]", "the name of an environment variable is a text"],
    ["os.getenv(1)", "the name of a variable takes a text, not an integer"],
    ["os.environ.get(1)", "the name of a variable takes a text, not an integer"],
    ["path.join(1)", "join() takes a text, not an integer"],
  ],
  dates: [
    ["dt.datetime(0, 1, 1)", "a year is from 1 to 9999, not 0"],
    ["dt.datetime(2024, 13, 1)", "a month is from 1 to 12, not 13"],
    ["dt.datetime(2024, 2, 30)", "a day of this month is from 1 to 29, not 30"],
    ["dt.datetime(2024, 1, 1, 24)", "an hour is from 0 to 23, not 24"],
    ["dt.datetime(2024, 1, 1, 0, 60)", "a minute is from 0 to 59, not 60"],
    ["dt.datetime(2024, 1, 1, 0, 0, 60)", "a second is from 0 to 59, not 60"],
    ["dt.datetime(2024, 1, 1, 0, 0, 0, 10**6)", "a microsecond is from 0 to 999999, not 1000000"],
    ["dt.datetime('a', 1, 1)", "a date takes an integer, not a text"],
    ["dt.datetime(2024, 1, 1, tzinfo=1)", "a time zone is expected, not an integer"],
    ["dt.timezone(1)", "a timedelta is expected, not an integer"],
    ["dt.timezone(dt.timedelta(1))", "an offset from UTC must be shorter than a day"],
    ["dt.timedelta(10**9)", "the time span is out of range"],
    ["dt.timedelta(math.inf)", "a time must be a finite number"],
    ["dt.timedelta('a')", "timedelta() takes a number, not a text"],
    ["dt.datetime.fromtimestamp(1e300)", "the date is out of range: years are 1 to 9999"],
    ["dt.datetime.fromtimestamp('a')", "fromtimestamp() takes a number, not a text"],
    ["dt.datetime(9999, 12, 31) + dt.timedelta(1)", "the date is out of range: years are 1 to 9999"],
    ["dt.date.fromordinal(0)", "the date is out of range: years are 1 to 9999"],
    ["dt.datetime(2024, 1, 1) + 1", "'+' does not go with a datetime and an integer"],
    [
      "dt.datetime(2024, 1, 1) - dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)",
      "a datetime with a time zone does not go with one without",
    ],
    [
      "dt.datetime(2024, 1, 1) < dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)",
      "a datetime with a time zone cannot be compared with one without",
    ],
    ["dt.timedelta(1) / 0", "division by zero"],
    [
      "dt.datetime(2024, 1, 1).isoformat(timespec='days')",
      "timespec must be one of auto, hours, minutes, seconds, milliseconds, microseconds",
    ],
    ["dt.datetime.fromisoformat('yesterday')", "'yesterday' is not a date of ISO 8601"],
    ["dt.datetime.fromisoformat('2024-01-01T00:00+01:99')", "'+01:99' is not an offset from UTC"],
    ["dt.datetime.strptime('x', '%Y')", "the time 'x' does not fit the format '%Y'"],
    ["dt.datetime.strptime('x', '%Q')", "strptime() does not know the directive '%Q'"],
    ["dt.datetime.strptime('11', '%d%d')", "the directive '%d' stands twice in the format"],
    ["dt.datetime.strptime('60', '%S')", "a second is from 0 to 59, not 60"],
    ["dt.datetime.strptime('2024', '%G')", "%G and %V go together, with a day of the week"],
    ["dt.datetime.strptime('2024 1 1 001', '%G %V %u %j')", "%j does not go together with %G"],
    ["dt.datetime.strptime('x' * 1001, '%Y')", "strptime() takes texts of at most 1000 characters"],
    ["dt.datetime.isoformat(1)", "a datetime is expected, not an integer"],
    ["dt.date.weekday(1)", "a date is expected, not an integer"],
    ["dt.timedelta.total_seconds(1)", "a timedelta is expected, not an integer"],
    ["dt.date(2024, 1, 1).hour", "a date has no attribute hour"],
    ["dt.date(2024, 1, 1).timestamp()", "a date has no method timestamp()"],
  ],
  "calls at run time": [["sorted(1, 2, 3)", "sorted() takes one sequence; key and reverse go by name"]],
  "limits of the work": [
    ["'x' * 10**7", "the text would be longer than 1048576 characters"],
    ["[0] * 10**7", "more than 1048576 values at once"],
    ["2**200000", "the integer would be larger than 131072 bits"],
    ["1 << 10**6", "the integer would be larger than 131072 bits"],
    ["10**39000 * 10**39000", "the integer would be larger than 131072 bits"],
    ["str(2**15000)", "an integer of more than 4300 digits cannot be printed"],
    ["str([[[[[0]*1000]*1000]*1000]*1000]*1000)", "the text would be longer than 1048576 characters"],
    ["[[[0]*1000]*1000]*1000 == [[[0]*1000]*1000]*1000", "the expression takes too much work"],
  ],
};

async function problemOf(template: string, input: string): Promise<string> {
  try {
    return `no problem: ${await expand(parseTemplate(template), input, host({ shell: realShell }))}`;
  } catch (error) {
    if (error instanceof TemplateSyntaxError) return error.problem;
    if (error instanceof TemplateError) return error.reason;
    throw error;
  }
}

const shown = (text: string): string => (text.length > 70 ? `${text.slice(0, 70)}...` : text);

describe("a malformed template", () => {
  for (const [template, problem] of templates)
    test(template, async () => expect(await problemOf(template, "3")).toBe(problem));
});

describe("a template that cannot be expanded", () => {
  for (const [template, input, reason] of expansions)
    test(`${template} for '${input}'`, async () => expect(await problemOf(template, input)).toBe(reason));
});

for (const [group, rows] of [...Object.entries(malformed), ...Object.entries(failing)]) {
  describe(`messages: ${group}`, () => {
    for (const [expression, message] of rows)
      test(shown(expression), async () => expect(await problemOf(`{=${expression} =}`, "3")).toBe(message));
  });
}

/** What can stand behind a call that ends with a message, as a pattern that the finished message fits. */
function patternsIn(code: string): readonly RegExp[] {
  const callee = /\b(?:fail|blame|unexpected|TemplateSyntaxError|TemplateError)\((?:[\w.]+, )*\s*/;
  const literalText = /"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/;
  const call = new RegExp(`${callee.source}(${literalText.source})`, "g");
  return [...code.matchAll(call)].map(([, literal = ""]) => {
    const texts = literal.slice(1, -1).split(literal.startsWith("`") ? /\$\{(?:[^{}]|\{[^{}]*\})*\}/ : /(?!)/);
    return new RegExp(`^${texts.map((text) => RegExp.escape(text.replace(/\\(.)/g, "$1"))).join(".*")}$`);
  });
}

test("no message of the sources is without a row", () => {
  const root = `${import.meta.dir}/../../..`;
  const messages = [
    ...templates.map(([, problem]) => problem.replace(" (a literal brace is written '\\{')", "")),
    ...templates.map(([, problem]) => problem),
    ...expansions.map(([, , reason]) => reason),
    ...[malformed, failing].flatMap((rows) => Object.values(rows).flatMap((group) => group.map(([, text]) => text))),
  ];
  const patterns = [...new Bun.Glob("src/{expression,template}/*.ts").scanSync({ cwd: root })]
    .toSorted()
    .flatMap((path) => patternsIn(readFileSync(`${root}/${path}`, "utf8")));
  // Fewer would mean that this test no longer finds the calls.
  expect(patterns.length).toBeGreaterThan(120);
  expect(patterns.filter((pattern) => !messages.some((message) => pattern.test(message))).map(String)).toEqual([]);
});
