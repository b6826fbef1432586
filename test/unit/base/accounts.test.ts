import { expect, test } from "bun:test";
import { describedGroup, describedUser, isGroupOfOne, userName } from "../../../src/base/accounts.ts";

test("the user is who the environment says, else who the system says", () => {
  expect(userName({ LOGNAME: "a", USER: "b" })).toBe("a");
  expect(userName({ LOGNAME: "", USER: "b" })).toBe("b");
  const known = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
  if (known !== "") expect(userName({})).toBe(known);
});

test("who and what has no name is told by its number, and such a group may be one of several", () => {
  expect([describedUser(0), describedUser(4_000_000)]).toEqual(["root", "user 4000000"]);
  expect(describedGroup(4_000_001)).toBe("4000001");
  expect([isGroupOfOne(4_000_001, 0), isGroupOfOne(0, 4_000_000)]).toEqual([false, false]);
});
