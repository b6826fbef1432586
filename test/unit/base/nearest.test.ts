import { expect, test } from "bun:test";
import { nearest } from "../../../src/base/nearest.ts";

const names = ["port", "bind", "host", "bundlesize", "bundlewait"];

test.each([
  ["prot", "port"],
  ["por", "port"],
  ["ports", "port"],
  ["hist", "host"],
  ["bundelsize", "bundlesize"],
  ["bundle_size", "bundlesize"],
  ["cores", null],
  ["b", null],
])("%p means %p", (typed, meant) => {
  expect(nearest(typed, names)).toBe(meant);
});
