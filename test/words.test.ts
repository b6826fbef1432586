/*
 * What can be said of the words of messages without running anything: no class names and error numbers of other
 * languages, which tell a user nothing, and no "1 tasks".
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");
const sources = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: root })].toSorted();

/** What begins the last line of a traceback, in the texts of a program. */
const foreign = /\b(?:[A-Z]\w*(?:Error|Exception|Warning)|NotFound|HostAddressInfo|DatabaseUninitialized): |\[?Errno\b/;

/** The lines of a source without comments, as `path:number: line`. */
function codeOf(path: string): readonly string[] {
  return readFileSync(join(root, path), "utf8")
    .split("\n")
    .map((line, index) => `${path}:${index + 1}: ${line.trim()}`)
    .filter((line) => !/^\S+ (?:\/\/|\/?\*)/.test(line));
}

/** A number and a plural. Numbers that are never 1 (`mostTasks`, `longestLine`) may have one. */
const plural = new RegExp(
  String.raw`\$\{(?!counted\(|(?:most|longest|largest|safe|max|delimiterMax)[A-Z}]?)[^}]*\} (?:\w+ )?` +
    String.raw`(?:tasks|clients|lines|rows|words|executors|hosts|servers|attempts|files|connections)\b`,
);

test("a number agrees with its noun: counted(1, 'task') is '1 task'", () => {
  expect(sources.flatMap(codeOf).filter((line) => plural.test(line))).toEqual([]);
  expect(plural.test("`Submitted ${tasks.length} tasks`")).toBe(true);
  expect(plural.test("`Found ${count} unfinished tasks`")).toBe(true);
});

test("no message has a class name or an error number of another language: say it in a sentence", () => {
  const found = sources.flatMap(codeOf).filter((line) => foreign.test(line));
  expect(found).toEqual([]);
  expect(foreign.test('runtimeError("submit", "FileNotFoundError: no such file")')).toBe(true);
  expect(foreign.test("`[Errno ${number}] Permission denied`")).toBe(true);
});
