import { describe, expect, test } from "bun:test";
import { problemOf } from "../../../src/config/check.ts";
import { defaults, findSetting, isSection, settings, splitVariant } from "../../../src/config/schema.ts";
import { environmentLayer } from "../../../src/config/source.ts";
import { valueAt } from "../../../src/config/tree.ts";

const plain = settings.filter((setting) => !isSection(setting.key) && !setting.kinds.includes("table"));
const nameOf = (key: string): string => `HYPERSHELL_${key.toUpperCase().replaceAll(".", "_")}`;

describe("the table of settings", () => {
  test("names every key once", () => {
    expect(new Set(settings.map((setting) => setting.key)).size).toBe(settings.length);
  });
  test("has built-in values that fit their own settings", () => {
    for (const setting of settings)
      expect([setting.key, problemOf(setting, setting.fallback)]).toEqual([setting.key, null]);
  });
  test("gives every key a variable of its own", () => {
    for (const { key } of plain) {
      const { tree, names } = environmentLayer({ [nameOf(key)]: "x" });
      expect(valueAt(tree, key.split("."))).toBe("x");
      expect([...names]).toEqual([[key, nameOf(key)]]);
    }
    expect(new Set(plain.map(({ key }) => nameOf(key))).size).toBe(plain.length);
  });
  test("gives every key the forms _ENV and _EVAL in the environment", () => {
    for (const { key } of plain) {
      for (const form of ["_env", "_eval"]) {
        const { tree } = environmentLayer({ [nameOf(key) + form.toUpperCase()]: "007" });
        expect(valueAt(tree, (key + form).split("."))).toBe("007");
      }
    }
  });
  test("has no key that ends like a form of another", () => {
    for (const { key } of settings) expect(splitVariant(key)).toEqual({ base: key, variant: "" });
  });
  test("says what every key means, in a sentence", () => {
    for (const { key, meaning } of settings) expect([key, /^[A-Z].*\.$/.test(meaning)]).toEqual([key, true]);
  });
});

describe("built-in values", () => {
  test.each([
    ["server.port", 50001],
    ["server.auth", "<not-secure>"],
    ["server.tls.min_version", "TLSv1.2"],
    ["server.bundlesize", "auto"],
    ["logging.level", "info"],
    ["logging.tasks", "auto"],
    ["logging.file.rotate", "never"],
    ["autoscale.size.max", 1],
    ["task.signalwait", 10],
  ])("%s is %p", (key, value) => {
    expect(valueAt(defaults(), key.split("."))).toEqual(value);
    expect(findSetting(key)?.fallback).toEqual(value);
  });
  test("leave out what has no value", () => {
    expect(valueAt(defaults(), ["database", "url"])).toBeUndefined();
  });
});
