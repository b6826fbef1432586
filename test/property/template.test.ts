import { expect, test } from "bun:test";
import fc from "fast-check";
import { coerce } from "../../src/task/coerce.ts";
import { TemplateError, TemplateSyntaxError } from "../../src/template/errors.ts";
import { expand } from "../../src/template/expand.ts";
import { parseTemplate } from "../../src/template/parse.ts";
import { quoteForSh } from "../../src/base/shell.ts";
import { expanded, host, realShell } from "../unit/template/host.ts";

/** Python's slicing by its definition: walk from the start, by the step, as long as the place lies before the stop. */
function slicedByHand(
  words: readonly string[],
  start: number | null,
  stop: number | null,
  step: number | null,
): string[] {
  const stride = step ?? 1;
  const length = words.length;
  const from = start === null ? (stride > 0 ? 0 : length - 1) : start < 0 ? start + length : start;
  const to = stop === null ? (stride > 0 ? length : -1) : stop < 0 ? stop + length : stop;
  const taken: string[] = [];
  if (stride > 0)
    for (let i = Math.max(from, 0); i < to; i++)
      if ((i - Math.max(from, 0)) % stride === 0 && i < length) taken.push(words[i] ?? "");
  if (stride < 0) {
    const first = Math.min(from, length - 1);
    for (let i = first; i > to && i >= 0; i--) if ((first - i) % -stride === 0) taken.push(words[i] ?? "");
  }
  return taken;
}

const bound = fc.option(fc.integer({ min: -8, max: 8 }));
const step = fc.option(fc.integer({ min: -4, max: 4 }).filter((value) => value !== 0));
const words = fc.array(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 7 });

test("slices of words are Python's, whatever start, stop and step", () => {
  fc.assert(
    fc.property(words, bound, bound, step, (all, start, stop, stride) => {
      const template = `{[${start ?? ""}:${stop ?? ""}:${stride ?? ""}]}`;
      expect(expanded(template, all.join("  "))).toBe(slicedByHand(all, start, stop, stride).join(" "));
    }),
    { numRuns: 2000 },
  );
});

test("slices of texts and lists in expressions are Python's, whatever start, stop and step", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{0,7}$/), bound, bound, step, (all, start, stop, stride) => {
      const wanted = slicedByHand(Array.from(all), start, stop, stride).join("");
      const cut = `[${start ?? ""}:${stop ?? ""}:${stride ?? ""}]`;
      expect(expanded(`{= '${all}'${cut} =}`, "")).toBe(wanted);
      expect(expanded(`{= ''.join(list('${all}')${cut}) =}`, "")).toBe(wanted);
    }),
    { numRuns: 1000 },
  );
});

/** Texts that come near to templates. */
const fragments = fc.array(
  fc.oneof(
    fc.constantFrom(
      "{",
      "}",
      "{%",
      "%}",
      "{=",
      "=}",
      "[",
      "]",
      "(",
      ")",
      ":",
      "-1",
      "0",
      "1",
      "x",
      " ",
      "\t",
      "\n",
      "\\",
      "\\{",
      "@",
      "@Q",
      ".",
      "/",
      "+",
      "*",
      "**",
      "//",
      "%",
      "==",
      "=",
      "<",
      "not ",
      " if ",
      " else ",
      " in ",
      "'",
      '"',
      "f'",
      "r'",
      "'''",
      "!r",
      ",",
      "abs",
      "math.",
      "pi",
      "dt.",
      "len(",
      ".upper(",
      "1e5",
      "_",
      "0x",
      "~",
      "lambda",
      " for ",
      "😀",
      "\u0000",
    ),
    fc.string({ maxLength: 4, unit: "binary" }),
  ),
  { maxLength: 14 },
);

test("every text is a template or has an error with a place in it", () => {
  fc.assert(
    fc.property(fragments, (parts) => {
      const text = parts.join("");
      try {
        expect(parseTemplate(text).text).toBe(text);
      } catch (error) {
        if (!(error instanceof TemplateSyntaxError)) throw error;
        expect(error.offset).toBeGreaterThanOrEqual(0);
        expect(error.offset).toBeLessThanOrEqual(text.length);
        expect(error.message).not.toContain("\n");
        expect(error.caret.split("\n")).toHaveLength(2);
      }
    }),
    { numRuns: 5000 },
  );
});

test("an expression has a text or an error with a reason, whatever it is made of", () => {
  fc.assert(
    fc.property(fragments, fc.string(), (parts, input) => {
      try {
        expect(typeof expanded(`{=${parts.join("").replaceAll("=}", "")} =}`, input)).toBe("string");
      } catch (error) {
        if (!(error instanceof TemplateSyntaxError) && !(error instanceof TemplateError)) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});

test("values of all types go through all operators and methods without surprise", () => {
  const value = fc.constantFrom(
    "0",
    "-7",
    "2**70",
    "1.5",
    "-0.0",
    "math.inf",
    "math.nan",
    "True",
    "None",
    "'abc'",
    "'a b'",
    "''",
    "[1, 'a']",
    "(1, 2)",
    "{'a': 1}",
    "range(3)",
    "dt.timedelta(1)",
    "dt.datetime(2024, 1, 2)",
    "dt.date(2024, 1, 2)",
    "dt.timezone.utc",
    "os.environ",
    "len",
    "x",
  );
  const binary = fc.constantFrom(
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    "<",
    "==",
    "in",
    "not in",
    "is",
    "and",
    "or",
  );
  const unary = fc.constantFrom(
    "abs",
    "str",
    "int",
    "float",
    "len",
    "sorted",
    "sum",
    "max",
    "round",
    "list",
    "repr",
    "math.sqrt",
    "math.floor",
    "hex",
    "-",
    "not",
    "~",
  );
  fc.assert(
    fc.property(value, value, binary, unary, (a, b, sign, f) => {
      for (const expression of [
        `(${a}) ${sign} (${b})`,
        `${f}(${a})`,
        `(${a})[${b}]`,
        `(${a})[:${b}]`,
        `f'{${a}:>9}'`,
        `'%d %s' % (${a}, ${b})`,
      ]) {
        try {
          expanded(`{= ${expression.replaceAll("'", '"').replace('f"', "f'").replace(/9}"$/, "9}'")} =}`, "12");
        } catch (error) {
          if (!(error instanceof TemplateSyntaxError) && !(error instanceof TemplateError)) throw error;
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test("an input goes through {} unchanged, and through text without braces not at all", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (input, text) => {
      expect(expanded("{}", input)).toBe(input);
      const plain = text.replace(/[{\\]/g, "");
      expect(expanded(plain, input)).toBe(plain);
      expect(expanded(`${plain}{}${plain}`, input)).toBe(plain + input + plain);
    }),
  );
});

test("escaped braces make any text a template of itself", () => {
  fc.assert(fc.property(fc.string(), (text) => expect(expanded(text.replaceAll("{", "\\{"), "x")).toBe(text)));
});

test("the parts of a path make the path again", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ab./]{0,10}$/), (path) => {
      expect(expanded("{-}{+}", path)).toBe(path);
      expect(expanded("{/-}{+}", path)).toBe(expanded("{/}", path));
      expect(path.endsWith(expanded("{/}", path))).toBe(true);
      expect(path.startsWith(expanded("{.}", path))).toBe(true);
    }),
  );
});

test("integers of any size add and divide as in mathematics", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
      fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
      (a, b) => {
        expect(expanded(`{= x + (${b}) =}`, String(a))).toBe(String(a + b));
        if (b !== 0n) expect(expanded(`{= (x // (${b})) * (${b}) + x % (${b}) == x =}`, String(a))).toBe("True");
      },
    ),
  );
});

test("a float prints as digits that read as the same float", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(expanded("{= float(x) =}", String(value))) === value).toBe(true);
    }),
  );
});

test("@Q gives the shell exactly the input as one word", async () => {
  const input = fc.stringMatching(/^[ -~]{0,20}$/);
  await fc.assert(
    fc.asyncProperty(input, async (text) => {
      const result = await expand(parseTemplate("{% printf '<%s>' @Q %}"), text, host({ shell: realShell }));
      expect(result).toBe(`<${text}>`);
    }),
    { numRuns: 25 },
  );
});

test("{Q} gives the shell exactly the input as one word", async () => {
  const inputs = fc.array(
    fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)) }),
  );
  await fc.assert(
    fc.asyncProperty(inputs, async (texts) => {
      const quoted = texts.map((text) => expanded("{Q}", text)).join(" ");
      const { output } = await realShell(`printf '<%s>' ${quoted}; printf .`);
      expect(output).toBe(`${texts.length === 0 ? "<>" : texts.map((text) => `<${text}>`).join("")}.`);
    }),
    { numRuns: 25 },
  );
});

test("a quoted text is quoted only where it has to be", () => {
  fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9_./-]{1,9}$/), (text) => expect(quoteForSh(text)).toBe(text)));
});

test("coercion is total, and what it makes of a text JSON can hold", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+]?[0-9_.]{0,6}([eE][-+]?[0-9]{1,4})?$/)), (text) => {
      const value = coerce(text);
      expect(JSON.parse(JSON.stringify(value))).toEqual(Object.is(value, -0) ? 0 : value);
    }),
  );
});
