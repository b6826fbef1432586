import { expect, test } from "bun:test";
import fc from "fast-check";
import { quoteForLoginShell } from "../../../src/base/shell.ts";
import { remoteLine, remoteVariables, sshWords } from "../../../src/launch/ssh.ts";
import { makePlan } from "./samples.ts";

const program = "/opt/my tools/hs";
const template = "echo '{}' \"$HOME\" \\\n{}";
const plan = makePlan({ template }, { program });

/** What /bin/sh makes of a line: its words. */
function wordsOf(line: string): string[] {
  const script = `set -- ${line}\nfor word do printf '%s\\0' "$word"; done`;
  const { stdout } = Bun.spawnSync(["/bin/sh", "-c", script], { stdin: "ignore", stderr: "inherit" });
  return stdout.toString().split("\0").slice(0, -1);
}

test("the remote shell sees the words of the client as they are, whatever the template holds", () => {
  expect(wordsOf(remoteLine([], plan))).toEqual(
    ["/opt/my tools/hs", "client", "-H", "login", "-p", "50001", "-N", "4", "-t", template].concat(
      "-S 10 --auth-stdin".split(" "),
    ),
  );
});

test("any words pass through a shell unchanged", () => {
  const nasty = fc.constantFrom("'", '"', "$", "`", "\\", "\n", "!", "*", "~", "=", "#", "{", ";", "&", " ", "\t", "é");
  const word = fc.oneof(fc.string({ unit: nasty }), fc.string(), fc.string({ unit: "grapheme" })).map((text) =>
    // No command line can hold it.
    text.replaceAll("\0", ""),
  );
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), (words) => {
      expect(wordsOf(words.map(quoteForLoginShell).join(" "))).toEqual(words);
    }),
    { numRuns: 25 },
  );
});

test("ssh gets its arguments, the host and one line", () => {
  const words = sshWords(["-p", "2222"], "node1", ["HYPERSHELL_SITE=/a b"], makePlan({}, { program }));
  expect(words).toEqual([
    "ssh",
    "-p",
    "2222",
    "node1",
    "env 'HYPERSHELL_SITE=/a b' '/opt/my tools/hs' client -H login -p 50001 -N 4 -S 10 --auth-stdin",
  ]);
});

test("settings in the environment are passed on, but no secrets", () => {
  const env = {
    HOME: "/root",
    HYPERSHELL: "1",
    HYPERSHELLX: "1",
    HYPERSHELL_SITE: "/it's mine",
    HYPERSHELL_LOGGING_LEVEL: "debug",
    HYPERSHELL_EXPORT_FOO: "bar",
    HYPERSHELL_SERVER_AUTH: "k",
    HYPERSHELL_SERVER_AUTH_EVAL: "pass k",
    HYPERSHELL_RUN_KEY: "of an outer run",
    HYPERSHELL_DATABASE_PASSWORD: "p",
    HYPERSHELL_DATABASE_URL: "postgresql://me:p@host/db",
    HYPERSHELL_GONE: undefined,
  };
  expect(remoteVariables(env)).toEqual({
    passed: ["HYPERSHELL_SITE=/it's mine", "HYPERSHELL_LOGGING_LEVEL=debug", "HYPERSHELL_EXPORT_FOO=bar"],
    withheld: ["HYPERSHELL_DATABASE_PASSWORD", "HYPERSHELL_DATABASE_URL"],
  });
  expect(remoteVariables({ HYPERSHELL_DATABASE_URL: "sqlite:////x.db" }).withheld).toEqual([]);
});
