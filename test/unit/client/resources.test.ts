/* Resources as users declare them. */
import { expect, test } from "bun:test";
import { parseResource } from "../../../src/client/resources.ts";

test.each([
  ["license:3", "license", 3],
  ["gpus:0", "gpus", 0],
  ["io.slots:2.5", "io.slots", 2.5],
  [" a : 1 ", "a", 1],
] as [string, string, number][])("'%s'", (word, name, amount) => expect(parseResource(word)).toEqual({ name, amount }));

test.each([
  ["license", "a resource has a name and a number, as in license:3"],
  ["", "a resource has a name and a number, as in license:3"],
  [":3", "the key is empty"],
  ["a b:1", "a key may only hold A-Z a-z 0-9 _ . + -"],
  ["license:many", "the amount of license is a number, 0 or more"],
  ["license:-1", "the amount of license is a number, 0 or more"],
  ["license:1e99", "the amount of license is a number, 0 or more"],
  ["license:9999999999", "the amount of license is at most 1000000000"],
  ["gpus:1.5", "the number of gpus is whole"],
  ["cores:4", "cores is no name for a resource, because it means something else"],
  ["memory:4", "memory is no name for a resource, because it means something else"],
  ["group:4", "group is no name for a resource, because it means something else"],
] as [string, string][])("'%s' is none", (word, reason) => expect(parseResource(word)).toBe(reason));
