/*
 * Runs the checkers side by side, prints what the unhappy ones say, and ends with a line for each. What they look for
 * is in their own settings: .oxlintrc.json, tsconfig.json, package.json (prettier, knip), test/house.test.ts,
 * test/readable.test.ts, test/words.test.ts.
 */
import { resolve } from "node:path";
import { say } from "./say.ts";

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly remedy: string;
}

const root = resolve(import.meta.dir, "..");
const tool = (path: string): string[] => [process.execPath, `node_modules/${path}`];
const prettier = [...tool("prettier/bin/prettier.cjs"), "--log-level=warn", "--cache", "--cache-strategy=content"];
const formatted = ["{src,scripts,test}/**/*.ts", "docs/examples/*.ts", "*.json"];
const oxlint = [...tool("oxlint/bin/oxlint"), "--deny-warnings"];

const checks: readonly Check[] = [
  { name: "format", command: [...prettier, "--check", ...formatted], remedy: "scripts/check fix" },
  { name: "lint", command: oxlint, remedy: "change the code; scripts/check fix does the simple cases" },
  { name: "types", command: ["node_modules/.bin/tsc", "-p", "."], remedy: "change the code" },
  { name: "unused", command: tool("knip/bin/knip.js"), remedy: "remove it, or drop the word 'export'" },
  {
    name: "house",
    command: [
      process.execPath,
      "test",
      "--timeout=60000",
      "./test/house.test.ts",
      "./test/readable.test.ts",
      "./test/words.test.ts",
    ],
    remedy: "each failure names its own",
  },
];

interface Finding {
  readonly check: Check;
  readonly status: number;
  readonly said: string;
  readonly seconds: number;
}

async function run(check: Check): Promise<Finding> {
  const startedAt = performance.now();
  const child = Bun.spawn([...check.command], { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const said = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const status = await child.exited;
  return { check, status, said: said.join("").trim(), seconds: (performance.now() - startedAt) / 1000 };
}

async function fix(): Promise<void> {
  for (const command of [
    [...oxlint, "--fix"],
    [...prettier, "--write", ...formatted],
  ]) {
    await Bun.spawn(command, { cwd: root, stdin: "ignore", stdout: "ignore", stderr: "ignore" }).exited;
  }
}

const [word, ...others] = process.argv.slice(2);
if ((word !== undefined && word !== "fix") || others.length > 0) {
  say.error("usage: scripts/check [fix]");
  process.exit(2);
}
if (word === "fix") await fix();
const findings = await Promise.all(checks.map(run));
for (const { check, status, said } of findings) if (status !== 0) console.log(`--- ${check.name}\n${said}\n`);
for (const { check, status, seconds } of findings) {
  if (status === 0) say.success(`${check.name.padEnd(8)} ok      ${seconds.toFixed(1)} s`);
  else say.fail(`${check.name.padEnd(8)} FAILED  to do: ${check.remedy}`);
}
process.exit(findings.some(({ status }) => status !== 0) ? 1 : 0);
