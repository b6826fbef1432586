import { expect, test } from "bun:test";
import fc from "fast-check";
import { startByLoginShell } from "../../../src/base/shell.ts";
import { remoteVariables, remoteWords, sshCall } from "../../../src/launch/ssh.ts";
import { makePlan } from "./samples.ts";

const program = "/opt/my tools/hs";
const template = "echo '{}' \"$HOME\" \\\n{}";
const plan = makePlan({ template }, { program });

/** What a shell with the line of a start has its program see: words, and what is left of standard input. */
function seenBy(shell: readonly string[], words: readonly string[], rest: string, value?: string): string[] {
  const show = `for word do printf '%s\\0' "$word"; done; printf %s "$HS_GIVEN"; cat`;
  const variables = value === undefined ? [] : [`HS_GIVEN=${value}`];
  const { line, input } = startByLoginShell(["/bin/sh", "-c", show, "show", ...words], variables);
  const { stdout } = Bun.spawnSync([...shell, line], {
    stdin: Buffer.from(input + rest),
    stderr: "inherit",
    env: { ...process.env, HOME: "/nonexistent" },
  });
  return stdout.toString().split("\0");
}

test("a client on another host gets its words as they are, whatever the template holds", () => {
  const words = ["/opt/my tools/hs", "client", "-H", "login", "-p", "50001", "-N", "4", "-t", template].concat(
    "-S 10 --auth-stdin".split(" "),
  );
  expect(remoteWords([], plan)).toEqual(words);
  expect(remoteWords(["A=b c"], plan)).toEqual(["env", "A=b c", ...words]);
});

for (const shell of ["sh", "bash", "zsh", "tcsh", "fish"]) {
  const isHere = Bun.which(shell) !== null;
  test.skipIf(!isHere)(`any words pass through ${shell} unchanged, and leave what comes after them`, () => {
    const nasty = fc.constantFrom(..."'\"$`\\\n!*~=#{;& \t\r%^é".split(""), "!!", "\\\n", "$(id)", "日本", "🙂");
    const word = fc
      .oneof(fc.string({ unit: nasty }), fc.string(), fc.string({ unit: "grapheme" }))
      // No command line can hold a NUL, nor half a character.
      .map((text) => text.replaceAll("\0", "").toWellFormed());
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), word, (words, value) => {
        expect(seenBy([shell, "-c"], words, "the key\n", value)).toEqual([...words, `${value}the key\n`]);
      }),
      { numRuns: 15 },
    );
    expect(seenBy([shell, "-c"], ["x".repeat(50_000), ""], "")).toEqual(["x".repeat(50_000), "", ""]);
  });
}

test("words that every shell takes as they stand are the line itself, for hosts without /bin/sh", () => {
  expect(startByLoginShell(["hs", "client", "-H", "login-1.example", "-p", "50001"])).toEqual({
    line: "hs client -H login-1.example -p 50001",
    input: "",
  });
});

test("ssh gets its arguments, the host and one line; the words of the client come before the key", () => {
  const variables = { plain: ["HYPERSHELL_SITE=/a b"], given: ["HYPERSHELL_EXPORT_TOKEN=it's"] };
  const call = sshCall(["-p", "2222"], "node1", variables, makePlan({}, { program }));
  expect(call.words.slice(0, 4)).toEqual(["ssh", "-p", "2222", "node1"]);
  expect(call.words).toHaveLength(5);
  expect(call.input).toBe(
    "unset hs_words; export 'HYPERSHELL_EXPORT_TOKEN=it'\\''s'; exec env 'HYPERSHELL_SITE=/a b' '/opt/my tools/hs' " +
      "client -H login -p 50001 -N 4 -S 10 --auth-stdin\n",
  );
  expect(call.shown.join(" ")).toBe(
    "ssh -p 2222 node1 env HYPERSHELL_SITE=/a b /opt/my tools/hs client -H login -p 50001 -N 4 -S 10 --auth-stdin",
  );
});

test("settings in the environment are passed on, but no keys", () => {
  const env = {
    HOME: "/root",
    HYPERSHELL: "1",
    HYPERSHELLX: "1",
    HYPERSHELL_SITE: "/it's mine",
    HYPERSHELL_LOGGING_LEVEL: "debug",
    HYPERSHELL_EXPORT_FOO: "bar",
    HYPERSHELL_SERVER_AUTH: "k",
    HYPERSHELL_SERVER_AUTH_EVAL: "pass k",
    HYPERSHELL_SERVER_AUTHFILE: "/key",
    HYPERSHELL_RUN_KEY: "of an outer run",
    HYPERSHELL_GONE: undefined,
  };
  expect(remoteVariables(env)).toEqual([
    "HYPERSHELL_SITE=/it's mine",
    "HYPERSHELL_LOGGING_LEVEL=debug",
    "HYPERSHELL_EXPORT_FOO=bar",
  ]);
});
