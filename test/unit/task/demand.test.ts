import { describe, expect, test } from "bun:test";
import {
  amountOf,
  builtInResources,
  type Capacity,
  type Demand,
  demandOf,
  describeLack,
  fits,
  lackOf,
  release,
  roomOf,
  take,
  whyNoAmount,
} from "../../../src/task/demand.ts";
import { whyNoResource } from "../../../src/task/tag.ts";
import type { Tags, TagValue } from "../../../src/task/task.ts";
import { WrittenNumber } from "../../../src/task/written.ts";

const names = new Set([...builtInResources, "license"]);

const demand = (cores: number | null, memory: number | null, tag: Tags = { part: 0 }): Demand | null =>
  demandOf({ cores, memory, tag }, names);

describe("what a task needs", () => {
  test("nothing, if it does not say", () => {
    expect(demand(null, null)).toBeNull();
    expect(demand(null, null, { site: "b", part: 3 })).toBeNull();
    expect(demand(0, 0, { gpus: 0, license: null })).toBeNull();
    expect(demand(-4, -1)).toBeNull();
  });
  test("its columns, and the tags that name a resource", () => {
    expect(demand(4, null)).toEqual({ cores: 4, memory: 0, others: null });
    expect(demand(null, 1024)).toEqual({ cores: 0, memory: 1024, others: null });
    expect(demand(1, null, { gpus: 0.5, site: 3, license: 2, part: 0 })).toEqual({
      cores: 1,
      memory: 0,
      others: { gpus: 0.5, license: 2 },
    });
    expect(demandOf({ cores: null, memory: null, tag: { license: 2 } }, builtInResources)).toBeNull();
  });
  test("a name that becomes known counts from then on, in the same tags, too", () => {
    const growing = new Set(builtInResources);
    const task = { cores: null, memory: null, tag: { license: 2 } };
    expect(demandOf(task, growing)).toBeNull();
    expect(demandOf(task, growing)).toBeNull();
    growing.add("license");
    expect(demandOf(task, growing)).toEqual({ cores: 0, memory: 0, others: { license: 2 } });
  });
  test.each<[string, TagValue, number]>([
    ["gpus", 1, 1],
    ["gpus", 0.25, 0.25],
    ["gpus", "0.50", 0.5],
    ["gpus", new WrittenNumber("1.0"), 1],
    ["gpus", null, 0],
    ["gpus", 0, 0],
    ["gpus", 1.5, NaN],
    ["license", 1.5, 1.5],
    ["license", "many", NaN],
    ["license", "", NaN],
    ["license", -1, NaN],
    ["license", true, NaN],
    ["license", "1e300", NaN],
    ["license", new WrittenNumber("1e+300"), NaN],
  ])("%s:%p is %p", (name, value, amount) => {
    expect(amountOf(name, value)).toBe(amount);
    expect(whyNoAmount(name, value) === null).toBe(!Number.isNaN(amount));
  });
});

const client: Capacity = { cores: 4, memory: 4096, others: { gpus: 2 } };

describe("what a client has", () => {
  test.each<[number, number, Tags, string | null]>([
    [4, 4096, { gpus: 2 }, null],
    [8, 0, {}, "cores: 4 < 8"],
    [8, 8192, {}, "cores: 4 < 8"],
    [0, 8192, {}, "memory: 4.00KB < 8.00KB"],
    [1, 0, { gpus: 3 }, "gpus: 2 < 3"],
    [1, 0, { license: 1 }, "license: 0 < 1"],
    [0, 0, { gpus: "many" }, "gpus: the value of the tag is no amount"],
  ])("can meet %p cores, %p bytes, %p: what it lacks is %p", (cores, memory, tag, lack) => {
    const found = lackOf(client, demand(cores, memory, tag)!);
    expect(found === null ? null : describeLack(found)).toBe(lack);
  });
  test("properties of objects are no resources", () => {
    const odd = demandOf({ cores: null, memory: null, tag: { constructor: 1 } }, new Set(["constructor"]))!;
    expect(lackOf(client, odd)).toEqual({ name: "constructor", have: 0, need: 1 });
    expect(fits(roomOf(client), odd)).toBe(false);
  });
  test("fractions add up to what there is, and leave nothing behind", () => {
    const room = roomOf(client);
    const tenth = demand(null, null, { gpus: 0.1 })!;
    for (let count = 0; count < 20; count++) {
      expect(fits(room, tenth)).toBe(true);
      take(room, tenth);
    }
    expect(fits(room, tenth)).toBe(false);
    for (let count = 0; count < 20; count++) release(room, tenth);
    expect(room).toEqual(roomOf(client));
  });
  test("where more was promised than there is, nothing fits that needs some of it", () => {
    const room = roomOf(client);
    take(room, demand(8, null)!);
    expect(fits(room, demand(1, null)!)).toBe(false);
    expect(fits(room, demand(null, 4096, { gpus: 2 })!)).toBe(true);
  });
});

test.each(["cores", "part", "", "a b", "x".repeat(121)])("no resource is called %p", (name) => {
  expect(whyNoResource(name)).not.toBeNull();
});
test.each(["gpus", "license", "a.b-c+d_1"])("a resource may be called %s", (name) => {
  expect(whyNoResource(name)).toBeNull();
});
