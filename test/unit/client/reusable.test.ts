import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPipeline, isReusable } from "../../../src/client/reusable.ts";

const taken = [
  "true",
  "echo abc | tr a-z A-Z > f",
  "X=1 env",
  "echo \"a $(date | cat) b\" 'x;y' 2>&1",
  "a && b || c ; d;",
  "[ -f x ] && cat x",
  "echo `date`",
  "echo ${x:-a b} ${#HOME} ${x%%.*} $1 $# $@ $?",
  "> f",
  "x=1; echo $x$?",
  'echo "cost $" "\\""',
  "echo é > f",
  "echo hi>f 2>>g <h 3<>i >|j 2>&- <&0",
  ": ",
  "\ttrue\t",
  "export X=1 Y",
  "x=`a`$(b)'c'\"d\"\\e",
  "echo {a,b} a{ } ~ * [a] a#b @ ^",
];

const refused = [
  "",
  "  ",
  ";",
  "a &",
  "a & b",
  "a &> f",
  "a |& b",
  "a ;; b",
  "a; ;b",
  "a |",
  "| a",
  "a &&",
  "a\nb",
  "a\rb",
  "a\0",
  "$x",
  "`x`",
  "$(x) y",
  "'eval' x",
  "\\eval x",
  "ev''al x",
  'e"v"al x',
  "eval x",
  "X=1 eval x",
  "> f eval x",
  "! eval x",
  "echo $(eval x)",
  "echo `eval x`",
  '"$(. f)"',
  "echo ${x:-$(exec y)}",
  "command ls",
  "trap '' INT",
  "ulimit -t 1",
  "set -e",
  "wait",
  "times",
  "alias a=b",
  "export",
  "export -p",
  ". f",
  "~/x",
  "a* b",
  "{ a; }",
  "(a)",
  "( a ) | b",
  "if a; then b; fi",
  "for i in 1; do a; done",
  "[[ a ]]",
  "f() { a; }",
  "a=(1)",
  "a[1]=2",
  "a+=1",
  "%1",
  "-x",
  "echo $$",
  'echo "$$"',
  "echo $!",
  "echo $0",
  "echo $-",
  "echo $_",
  "echo ${_}",
  "echo $'a'",
  'echo $"a"',
  "echo $",
  "echo $RANDOM",
  "echo ${LINENO}",
  "echo $((SECONDS))",
  "echo $BASHPID",
  "SECONDS=1",
  "echo ${!x}",
  "echo ${x/a/b}",
  "echo ${x?}",
  "echo ${x",
  "cat <<E",
  "cat <<<a",
  "cat <(a)",
  "echo 12>f",
  "{x}>f a",
  "a >&12",
  "a >& f",
  "a # b",
  "#",
  "a 'b",
  'a "b',
  "a \\",
  "a `b",
  'a "`b`"',
  "a `b \\` c`",
  "a )",
  "a (",
  "a $(",
  "a $()",
  "a $((1)",
  "a $((1) (2))",
  "a $( (b) )",
  "setsid a",
  "nice setsid a",
  `echo ${"$(echo ".repeat(40)}a${")".repeat(40)}`,
  `echo ${"a".repeat(5000)}`,
];

test("what the grammar accepts runs in a shell that lives", () => {
  for (const command of taken)
    for (const isDash of [true, false]) expect([command, isReusable(command, isDash)]).toEqual([command, true]);
});

test("all else gets a shell of its own", () => {
  for (const command of refused)
    for (const isDash of [true, false]) expect([command, isReusable(command, isDash)]).toEqual([command, false]);
});

test("a pipeline is one and nothing else, and speaks of no descriptors", () => {
  const pipelines = ["a | b", "a|b|c", " a $(b; c) | x=1 b > f ", "a 'b;' | c \"|\"", "a | x=1", "> f | b"];
  for (const command of pipelines) expect([command, isPipeline(command)]).toEqual([command, true]);
  const others = ["a", "a '|' b", "a | b; c", "a | b;", "a | b && c", "a || b", "a | b || c", "! a | b", "a $(b | c)"];
  for (const command of [...others, "ls /dev/fd | b", ""])
    expect([command, isPipeline(command)]).toEqual([command, false]);
});

test("arithmetic and ! are for dash alone", () => {
  for (const command of ["echo $((1 + 2 * (3)))", "! false", 'x="$((x + 1))"', "a | ! b", "echo ${x:-$((1))}"]) {
    expect([command, isReusable(command, true)]).toEqual([command, !command.includes("| !")]);
    expect(isReusable(command, false)).toBe(false);
  }
});

test("no text makes it fail, and none that is taken ends its parentheses or leaves a quote open", () => {
  const sign = fc.constantFrom(
    ...Array.from("ab1 '\"$`\\;|&<>(){}#!*?~=-"),
    "$(",
    "$((",
    "))",
    "${",
    "echo ",
    "é",
    "\n",
  );
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 30 }), fc.boolean(), (signs, isDash) => {
      const command = signs.join("");
      if (!isReusable(command, isDash)) return;
      // What follows is read as what it is: a list of two is taken, a text that goes on in a quote is not.
      expect(isReusable(`${command} ; true`.replace(/; *; true$/, "; true"), isDash)).toBe(true);
      expect(isReusable(`${command})`, isDash)).toBe(false);
      expect(isReusable(`true $(${command})`, isDash)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
