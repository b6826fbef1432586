import { expect, test } from "bun:test";
import {
  heldPlaces,
  highestFree,
  holdersOf,
  isToTell,
  LowestKept,
  lowestOf,
  nowhere,
  summaryOf,
} from "../../../src/store/setbacks.ts";

test("a directory may run up to the group of its lowest failure, and of those of nobody", () => {
  const lowest = lowestOf([
    ["/a", 3],
    ["/a", 1],
    ["/b", 5],
  ]);
  expect(["/a", "/b", "/c", nowhere].map((place) => highestFree(lowest, place))).toEqual([1, 5, Infinity, 1]);
  expect([1, 2, 6].map((group) => heldPlaces(lowest, group))).toEqual([[], [nowhere, "/a"], [nowhere, "/a", "/b"]]);
  const nobodys = lowestOf([
    ["/a", 3],
    [nowhere, 2],
  ]);
  expect(["/a", "/c", nowhere].map((place) => highestFree(nobodys, place))).toEqual([2, 2, 2]);
  expect([2, 3].map((group) => heldPlaces(nobodys, group))).toEqual([[], null]);
  expect(highestFree(lowestOf([]), nowhere)).toBe(Infinity);
});

test("failures are reasons below the highest group that they hold back", () => {
  const pairs = [
    { submitId: "s", group: 2, directory: "/a", tasks: 3 },
    { submitId: "s", group: 4, directory: "/a", tasks: 1 },
    { submitId: "t", group: 1, directory: "/b", tasks: 1 },
  ];
  const below = holdersOf(pairs);
  expect(["/a", "/b", "/c", nowhere].map(below)).toEqual([4, 1, Number.NEGATIVE_INFINITY, 4]);
  // Whose it is nobody knows of the last: every failure below it is a reason.
  expect(holdersOf([...pairs, { submitId: "u", group: 3, directory: nowhere, tasks: 1 }])("/c")).toBe(3);
  expect([0, 1, Infinity].map((to) => isToTell(pairs, to))).toEqual([false, true, true]);
  expect(summaryOf(pairs)).toEqual({
    tasks: 5,
    waiting: [
      { submitId: "s", group: 2 },
      { submitId: "t", group: 1 },
    ],
    submissions: 2,
  });
});

test("what takes long to find is kept for a while, and what is found at once is not", () => {
  let now = 1000;
  const kept = new LowestKept(() => now, 0.5);
  const lowest = lowestOf([["/a", 1]]);
  expect(kept.keep("key", lowest, 49)).toBe(lowest);
  expect(kept.find("key")).toBeNull();
  kept.keep("key", lowest, 200);
  expect([kept.find("key"), kept.find("other")]).toEqual([lowest, null]);
  now += 99;
  expect(kept.find("key")).toBe(lowest);
  now += 1;
  expect(kept.find("key")).toBeNull();
});
