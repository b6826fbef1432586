import { describe, expect, test } from "bun:test";
import type { Answer, ShellName } from "../../../src/cli/complete-shells.ts";
import { answerLines, splitLine } from "../../../src/cli/complete-shells.ts";
import { type Offer, offerFor, type Sources, type TagValues } from "../../../src/cli/complete-values.ts";
import type { ValueKind } from "../../../src/args/spec.ts";
import { commandOf, isShown, root, subCommandsOf } from "../../../src/cli/verbs.ts";
import { completionScripts } from "../../../src/cli/completion-scripts.ts";
import type { CommandDef } from "citty";

const tags: TagValues = new Map([
  ["site", new Set(["a", "b"])],
  ["demo", new Set<string>()],
]);

const sources: Sources = {
  tags: async () => tags,
  tasks: async (prefix) => [{ id: `${prefix}-1`, args: "echo 1" }],
  hosts: () => ["n01", "n02"],
  hostGroups: () => ["big"],
  addresses: () => ["localhost"],
  programs: (prefix) => [`${prefix}ip`],
  paths: (prefix) => [`${prefix}.txt`, `${prefix}folder/`],
  shells: () => ["/bin/sh"],
  resources: () => ["gpus"],
  isThere: (program) => program === "srun",
};

async function offer(value: ValueKind, current: string, positional: readonly string[] = []): Promise<Offer> {
  return offerFor({ value, help: "", before: [] }, current, positional, sources);
}
const texts = async (value: ValueKind, current: string, positional: readonly string[] = []): Promise<string[]> =>
  (await offer(value, current, positional)).candidates.map(({ text }) => text);

describe("values by their kind", () => {
  test("tags: keys, then values of a key", async () => {
    expect(await texts("tagFilter", "")).toEqual(["site:", "demo"]);
    expect(await texts("tagFilter", "site:")).toEqual(["site:a", "site:b"]);
    expect(await texts("tag", "")).toEqual(["group:", "cores:", "memory:", "timeout:", "gpus:", "site:", "demo"]);
    expect(await texts("tagKey", "")).toEqual(["site", "demo"]);
  });

  test("where the database has no answer, the settings of tasks are still offered", async () => {
    const broken = { ...sources, tags: () => Promise.reject(new Error("no database")) };
    const found = await offerFor({ value: "tag", help: "", before: [] }, "", [], broken);
    expect(found.candidates.map(({ text }) => text)).toEqual(["group:", "cores:", "memory:", "timeout:", "gpus:"]);
  });

  test("conditions: a field, an operator, a value", async () => {
    expect(await texts("condition", "exit")).toContain("exit_status");
    expect(await texts("condition", "exit_status")).toContain("exit_status==");
    expect(await texts("condition", "exit_status==")).toContain("exit_status==0");
    expect(await texts("condition", "duration >")).toContain("duration >= ");
    expect(await texts("condition", "retried == ")).toEqual(["retried == true", "retried == false"]);
    expect(await texts("condition", "cores")).toContain("cores_max");
    expect(await texts("condition", "")).not.toContain("tag");
  });

  test("edits: fields and tags", async () => {
    expect(await texts("edit", "")).toEqual(expect.arrayContaining(["memory=", "timeout=", "site:"]));
    expect(await texts("edit", "")).not.toContain("id=");
    expect(await texts("edit", "retried=")).toEqual(["retried=true", "retried=false"]);
  });

  test("settings, their sections, variants and values", async () => {
    expect(await texts("setting", "server.")).toContain("server.port");
    expect(await texts("setting", "server.")).not.toContain("server.tls");
    expect(await texts("settingOrSection", "server.")).toContain("server.tls");
    expect(await texts("setting", "server.auth_")).toEqual(
      expect.arrayContaining(["server.auth_env", "server.auth_eval"]),
    );
    expect(await texts("settingValue", "", ["server.eager"])).toEqual(["true", "false"]);
    expect(await texts("settingValue", "", ["logging.level"])).toContain("debug");
    expect(await offer("settingValue", "", ["server.tls.cert"])).toMatchObject({ native: "files" });
    expect(await texts("settingValue", "", ["no.such"])).toEqual([]);
  });

  test("hosts may be a list, of which the last item is completed", async () => {
    expect(await offer("hosts", "n01,n")).toMatchObject({ kept: "n01,", candidates: [{ text: "n02" }] });
    expect(await texts("host", "n")).toEqual(["n01", "n02"]);
    expect(await offer("failures", "timeout,")).toMatchObject({ kept: "timeout," });
  });

  test("a command in one word: programs first, then paths", async () => {
    expect(await offer("commandLine", "gz")).toMatchObject({ kept: "", candidates: [{ text: "gzip" }] });
    expect(await offer("commandLine", "gzip -k a")).toMatchObject({
      kept: "gzip -k ",
      candidates: [{ text: "a.txt" }, { text: "afolder/", goesOn: true }],
    });
    expect(await offer("commandLine", "cat x | so")).toMatchObject({
      kept: "cat x | ",
      candidates: [{ text: "soip" }],
    });
    expect(await texts("launcher", "")).toEqual(["srun"]);
  });

  test("what was given already is not offered again", async () => {
    const found = await offerFor({ value: "field", help: "", before: ["id"] }, "", [], sources);
    expect(found.candidates.map(({ text }) => text)).not.toContain("id");
  });
});

describe("a line of bash", () => {
  test("is taken apart as bash does", () => {
    expect(splitLine(String.raw`hs list -w 'a b' c\ d "e\"f" `)).toMatchObject({
      words: ["hs", "list", "-w", "a b", "c d", 'e"f'],
      current: "",
      raw: "",
    });
    expect(splitLine("hs list 'dura")).toMatchObject({ words: ["hs", "list"], current: "dura", raw: "'dura" });
    expect(splitLine("hs  list")).toMatchObject({ words: ["hs"], current: "list", starts: [0, 4] });
  });

  const breaks = " \t\n\"'@><=;|&(:";
  const answered = (line: string, text: string, kept = ""): readonly string[] => {
    const answer: Answer = {
      candidates: [{ text, help: "" }],
      native: "none",
      commandAt: 0,
      kept,
      value: "",
      replaces: false,
    };
    return answerLines(answer, "bash", splitLine(line), breaks).slice(1);
  };

  test("gets only what readline replaces: what is behind : and =, or within a quote", () => {
    expect(answered("hs list -t site:a", "site:abc")).toEqual(["abc"]);
    expect(answered("hs list --format=j", "json", "--format=")).toEqual(["json"]);
    expect(answered("hs list -t 'site:a", "site:a b")).toEqual(["site:a b"]);
    expect(answered('hs list -t "site:a', 'site:a$"b')).toEqual(['site:a\\$\\"b']);
    expect(answered("hs list -t site:a", "other:abc")).toEqual([]);
  });

  test("gets characters quoted that mean something to it", () => {
    expect(answered("hs list -t si", "si te")).toEqual(["si\\ te"]);
    expect(answered("hs list -t si", "si$(x)'\"`!&;<>|*?[]{}#~")).toEqual([
      "si\\$\\(x\\)\\'\\\"\\`\\!\\&\\;\\<\\>\\|\\*\\?\\[\\]\\{\\}\\#~",
    ]);
  });
});

test("no candidate has a character that a terminal would obey, or that would end its line", () => {
  const candidates = [
    { text: "a\nb", help: "" },
    { text: "c\u001b[2J", help: "" },
    { text: "d", help: "x\ny\tz" },
  ];
  const answer: Answer = { candidates, native: "none", commandAt: 0, kept: "", value: "", replaces: false };
  for (const shell of ["bash", "zsh", "fish", "powershell"] as const satisfies readonly ShellName[]) {
    const lines = answerLines(answer, shell, splitLine("hs "), "");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^d(?:\tx y z)?(?:\t[0d])?$/);
  }
});

test("PowerShell gets words with odd characters in single quotes", () => {
  const candidates = [{ text: "it's $x", help: "" }];
  const answer: Answer = { candidates, native: "none", commandAt: 0, kept: "--tag=", value: "", replaces: false };
  expect(answerLines(answer, "powershell", splitLine("hs "), "")[1]).toBe("'--tag=it''s $x'\tit's $x\tit's $x");
});

describe("the tables", () => {
  async function commandsBelow(above: CommandDef): Promise<readonly CommandDef[]> {
    const inner = Object.values(subCommandsOf(above) ?? {}).filter(isShown);
    return [...inner, ...(await Promise.all(inner.map(commandsBelow))).flat()];
  }

  test("say of every value what it is", async () => {
    const commands = await commandsBelow(root);
    expect(commands.length).toBeGreaterThan(18);
    for (const each of commands) {
      const { spec } = (await commandOf(each))!;
      const options = spec.sections.flatMap((section) => section.options);
      const unsaid = options.filter(
        ({ kind, choices, value }) =>
          ["text", "words", "optional"].includes(kind) && choices === undefined && value === undefined,
      );
      expect(unsaid.map(({ names }) => `${spec.name} ${names.join()}`)).toEqual([]);
    }
  });
});

test("the scripts are plain ASCII, and each asks the program", () => {
  for (const { text } of Object.values(completionScripts)) {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text).toMatch(/__complete (?:bash|zsh|fish|powershell)/);
  }
});

test("braces, brackets and quotes of the script for PowerShell are balanced", () => {
  const bare = completionScripts.powershell.text.replace(/^\s*#.*$/gm, "").replace(/'[^'\n]*'|"[^"\n]*"/g, "");
  for (const [open, close] of ["{}", "()", "[]"].map((pair) => [pair[0]!, pair[1]!] as const))
    expect(bare.split(open).length).toBe(bare.split(close).length);
  expect(bare).not.toMatch(/['"]/);
});
