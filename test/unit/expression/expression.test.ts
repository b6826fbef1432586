import { describe, expect, test } from "bun:test";
import { TemplateError, TemplateSyntaxError } from "../../../src/template/errors.ts";
import { expand } from "../../../src/template/expand.ts";
import { parseTemplate } from "../../../src/template/parse.ts";
import { expanded, host } from "../template/host.ts";
import { pythonCases } from "./pythoncases.ts";

function thrown(template: string, input = "3"): unknown {
  try {
    return expanded(template, input);
  } catch (error) {
    return error;
  }
}

function reason(expression: string): string {
  const error = thrown(`{= ${expression} =}`);
  return error instanceof TemplateError ? error.reason : `no failure: ${String(error)}`;
}

for (const [group, cases] of Object.entries(pythonCases)) {
  describe(`${group} as in Python`, () => {
    for (const [expression, result] of cases) {
      test(expression, () => expect(expanded(`{= ${expression} =}`, "3")).toBe(result));
    }
  });
}

describe("what depends on the system", () => {
  const local = new Date(
    Date.UTC(2024, 2, 1, 12, 0, 0, 250) - new Date(Date.UTC(2024, 2, 1, 12)).getTimezoneOffset() * 60_000,
  );
  const iso = local.toISOString().slice(0, 19);
  const cases: readonly (readonly [expression: string, result: string])[] = [
    ["path.exists('/data')", "True"],
    ["path.exists('/nowhere')", "False"],
    ["path.isdir('/data'), path.isfile('/data')", "(True, False)"],
    ["path.isdir('/data/a.txt'), path.isfile('/data/a.txt')", "(False, True)"],
    ["path.isfile('/nowhere'), path.isdir('/nowhere')", "(False, False)"],
    ["path.getsize('/data/a.txt'), path.getmtime('/data/a.txt')", "(12, 1.5)"],
    ["dt.datetime.now().isoformat()", `${iso}.250000`],
    ["dt.datetime.today()", `${iso.replace("T", " ")}.250000`],
    ["dt.datetime.now(dt.timezone.utc)", "2024-03-01 12:00:00.250000+00:00"],
    ["dt.datetime.utcnow()", "2024-03-01 12:00:00.250000"],
    ["dt.date.today()", iso.slice(0, 10)],
  ];
  for (const [expression, result] of cases)
    test(expression, () => expect(expanded(`{= ${expression} =}`, "3")).toBe(result));
  test("a file that is missing has no size", () => expect(reason("path.getsize('/nowhere')")).toContain("/nowhere"));
  test("a variable that is not set fails by index", () => expect(reason("os.environ['NO_SUCH']")).toContain("NO_SUCH"));
});

describe("a mistake in an expression is found when the template is parsed", () => {
  // Offsets count from the beginning of `{=`.
  const cases: readonly (readonly [expression: string, offset: number, problem: RegExp])[] = [
    ["foo", 2, /'foo' is not a name/],
    ["x+open('f')", 4, /'open'/],
    ["__import__('os')", 2, /__import__/],
    ["eval('1')", 2, /eval/],
    ["().__class__", 5, /__class__/],
    ["x.foo", 4, /'foo'/],
    ["math.foo", 7, /math\.foo/],
    ["os.system('ls')", 5, /os\.system/],
    ["os.path.foo", 10, /os\.path\.foo/],
    ["dt.datetime.foo()", 14, /dt\.datetime\.foo/],
    ["dt", 2, /module/],
    ["math + 1", 2, /module/],
    ["x y", 4, /'y' is not expected/],
    ["x = 1", 4, /'==' compares/],
    ["(x := 1)", 5, /assignments/],
    ["1 +", 6, /value is missing/],
    ["(1", 2, /not closed/],
    ["[1", 2, /not closed/],
    ["{1: 2", 2, /not closed/],
    ["{1, 2}", 4, /sets/],
    ["abs(1", 8, /'\)'/],
    ["x[1", 6, /'\]'/],
    ["x[]", 4, /index is missing/],
    ["'abc", 2, /not closed/],
    ["'''abc'", 2, /not closed/],
    ["f'{x'", 6, /not closed/],
    ["f'{x!z}'", 7, /conversion/],
    ["f'{}'", 5, /missing/],
    ["f'}'", 4, /single/],
    ["f'{foo}'", 5, /foo/],
    ["b'a'", 2, /bytes/],
    ["'\\x4'", 3, /hexadecimal/],
    ["'\\N{DASH}'", 3, /by name/],
    ["lambda: 1", 2, /lambda/],
    ["[i for i in x]", 3, /comprehensions/],
    ["[x for y in x]", 5, /comprehensions/],
    ["1 if x", 9, /'else'/],
    ["not", 6, /missing/],
    ["x if", 7, /missing/],
    ["*x", 2, /missing/],
    ["max(*x)", 6, /'\*'/],
    ["012", 2, /well formed/],
    ["1__0", 2, /well formed/],
    ["1x", 2, /well formed/],
    ["0b12", 2, /well formed/],
    ["1j", 2, /well formed/],
    ["abs()", 2, /misses/],
    ["abs(1, 2)", 2, /at most 1/],
    ["int(foo=1)", 2, /foo/],
    ["int('1', 2, base=3)", 2, /twice/],
    ["sorted(x, reverse=1, reverse=0)", 2, /twice/],
    ["int(base=2, '1')", 14, /without a name/],
    ["(1)(2)", 2, /only functions/],
    ["'a'('b')", 2, /only functions/],
    ["x @ y", 4, /'@'/],
    ["1 <> 2", 5, /missing/],
    ["é", 2, /'é'/],
    ["1;2", 3, /';'/],
  ];
  for (const [expression, offset, problem] of cases) {
    test(expression, () => {
      const error = thrown(`{=${expression} =}`);
      expect(error).toBeInstanceOf(TemplateSyntaxError);
      expect((error as TemplateSyntaxError).problem).toMatch(problem);
      expect((error as TemplateSyntaxError).offset).toBe(offset);
    });
  }
});

describe("a failure for an input has a reason", () => {
  const cases: readonly (readonly [expression: string, reason: RegExp])[] = [
    ["1/0", /division by zero/],
    ["1//0", /division by zero/],
    ["1%0", /division by zero/],
    ["1.0/0", /division by zero/],
    ["0**-1", /negative power/],
    ["(-8)**0.5", /not a real number/],
    ["10.0**400", /too large/],
    ["10**400*1.0", /too large/],
    ["'a'+1", /a text and an integer/],
    ["[1]+(1,)", /a list and a tuple/],
    ["-'a'", /a text/],
    ["1 < 'a'", /no order/],
    ["sorted([1,'a'])", /no order/],
    ["1 in 2", /not a sequence/],
    ["1 in 'a'", /only a text/],
    ["x[0]", /cannot be indexed/],
    ["'abc'[5]", /out of range/],
    ["'abc'[1.0]", /integer/],
    ["[1][::0]", /step/],
    ["{'a': 1}['b']", /'b'/],
    ["{[1]: 2}", /key/],
    ["x.upper()", /an integer has no method upper\(\); str\(\)/],
    ["'a'.upper(1)", /takes no arguments/],
    ["'a'.split(foo=1)", /foo/],
    ["'a'.replace('b')", /misses/],
    ["'a'.upper", /call it/],
    ["'a'.days", /no attribute/],
    ["len", /not a value; call it/],
    ["os.environ", /name a variable/],
    ["int('a')", /'a' is not an integer/],
    ["int('1', 99)", /base/],
    ["float('a')", /not a number/],
    ["int(float('nan'))", /nan/],
    ["int(float('inf'))", /infinity/],
    ["chr(-1)", /0x10ffff/],
    ["ord('ab')", /one character/],
    ["'a'.index('b')", /does not occur/],
    ["'a,b'.split('')", /empty/],
    ["','.join([1])", /text/],
    ["max([])", /of nothing/],
    ["math.sqrt(-1)", /not defined/],
    ["math.log(0)", /above 0/],
    ["math.exp(1000)", /too large/],
    ["math.factorial(-1)", /negative/],
    ["f'{x:q}'", /format/],
    ["f'{\"a\":d}'", /not for text/],
    ["f'{1.5:d}'", /not for floats/],
    ["f'{1:.2}'", /precision/],
    ["'%d' % 'a'", /number|integer/],
    ["'%s %s' % (1,)", /too few/],
    ["'%s' % (1, 2)", /more values/],
    ["'{}'.format()", /no value/],
    ["'{'.format(1)", /field/],
    ["dt.datetime(2024, 2, 30)", /from 1 to 29/],
    ["dt.datetime(0, 1, 1)", /year/],
    ["dt.datetime.strptime('x', '%Y')", /does not fit/],
    ["dt.datetime.strptime('x', '%Q')", /'%Q'/],
    ["dt.datetime.fromtimestamp(1e300)", /out of range/],
    ["dt.datetime(9999,12,31) + dt.timedelta(1)", /out of range/],
    ["dt.datetime(2024,1,1) + 1", /a datetime and an integer/],
    ["dt.datetime(2024,1,1) < dt.datetime(2024,1,1,tzinfo=dt.timezone.utc)", /time zone/],
  ];
  for (const [expression, wanted] of cases) test(expression, () => expect(reason(expression)).toMatch(wanted));
});

describe("work is bounded", () => {
  const cases = [
    "9**9**9",
    "2**10**7",
    "1 << 10**10",
    "'x'*10**12",
    "[0]*10**12",
    "list(range(10**12))",
    "sum(range(10**12))",
    "10**12 in list(range(10**12))",
    "math.factorial(10**9)",
    "math.comb(10**9, 10**8)",
    "math.perm(10**9)",
    "'a'.center(10**9)",
    "'a'.zfill(10**9)",
    "'\\t'.expandtabs(10**9)",
    "f'{1:1000000000}'",
    "f'{1.5:.1000000000f}'",
    "'%1000000000d' % 1",
    "'%*d' % (10**9, 1)",
    "('a'*10**6).replace('a', 'b'*10**6)",
    "('a'*10**6).join(['b']*10**6)",
    "str([[[[[0]*1000]*1000]*1000]*1000]*1000)",
    "[[[[[0]*1000]*1000]*1000]*1000]*1000 == [[[[[0]*1000]*1000]*1000]*1000]*1000",
    "pow(3, 2**100000-1, 2**100000+1)",
    "2**100000",
    "int('9'*5000)",
    "'%s' * 10**7 % 1",
  ];
  for (const expression of cases) {
    test(expression, () => {
      // Work is time of the processor: on a busy machine much more than that goes by.
      const before = process.cpuUsage();
      expect(thrown(`{= ${expression} =}`)).toBeInstanceOf(TemplateError);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000).toBeLessThan(5000);
    });
  }
  test("what is large but sensible is done", () => {
    expect(expanded("{= sum(range(10**6)) =}", "1")).toBe("499999500000");
    expect(expanded("{= pow(2, 10**6, 1000007) =}", "1")).toBe("21861");
    expect(expanded("{= len(str(2**14000)) =}", "1")).toBe("4215");
  });
  test("deep nesting and long chains are errors, not a full stack", () => {
    const deep = [
      "(".repeat(5000),
      "[".repeat(5000),
      "-".repeat(5000),
      "not ".repeat(5000),
      "f'{".repeat(5000),
      "1**".repeat(5000),
    ];
    for (const lead of deep) expect(thrown(`{= ${lead}1 =}`)).toBeInstanceOf(TemplateSyntaxError);
    expect(thrown(`{= ${"1+".repeat(20_000)}1 =}`)).toBeInstanceOf(TemplateSyntaxError);
    expect(expanded(`{= ${"1+".repeat(1000)}1 =}`, "1")).toBe("1001");
    expect(expanded(`{= ${"(".repeat(50)}1${")".repeat(50)} =}`, "1")).toBe("1");
  });
});

test("a template is parsed once and expanded for many inputs", () => {
  const template = parseTemplate("{= f'{x:03d}' =}.dat");
  expect(["1", "22", "333"].map((input) => expand(template, input, host()))).toEqual(["001.dat", "022.dat", "333.dat"]);
});
