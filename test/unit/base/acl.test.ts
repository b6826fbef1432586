import { expect, test } from "bun:test";
import { isInProfile, wordsToClose } from "../../../src/base/acl.ts";

test("a folder is left to its user, Windows and the administrators, whatever it would have inherited", () => {
  expect(wordsToClose("D:\\site", "alice", { SYSTEMROOT: "C:\\Windows" })).toEqual([
    "C:\\Windows\\System32\\icacls.exe",
    "D:\\site",
    "/inheritance:r",
    "/grant:r",
    "alice:(OI)(CI)F",
    "*S-1-5-18:(OI)(CI)F",
    "*S-1-5-32-544:(OI)(CI)F",
    "/q",
  ]);
});

test("a folder is in a profile, or not", () => {
  const profile = "C:\\Users\\alice";
  const within = ["C:\\Users\\alice", "c:\\users\\ALICE\\x", "C:/Users/alice/..x"];
  const outside = ["C:\\Users\\alice2", "C:\\Users", "D:\\Users\\alice", "\\\\server\\share"];
  expect([...within, ...outside].filter((folder) => isInProfile(folder, profile))).toEqual(within);
});
