import { expect, test } from "bun:test";
import { describedGroup, describedUser, isGroupOfOne, linesOfDirectory, userName } from "../../../src/base/accounts.ts";

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

test("what dscacheutil of macOS prints is read as lines of passwd and group", () => {
  const user =
    "name: alice\npassword: ********\nuid: 501\ngid: 20\ndir: /Users/alice\nshell: /bin/zsh\ngecos: Alice A\n\n";
  const groups = "name: staff\npassword: *\ngid: 20\nusers: root alice\n\nname: wheel\npassword: *\ngid: 0\n\n";
  expect(linesOfDirectory(user)).toBe("alice:*:501:20");
  expect(linesOfDirectory(groups)).toBe("staff:*:20:root,alice\nwheel:*:0:");
  expect(linesOfDirectory("")).toBe("");
});
