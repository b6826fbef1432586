/* hs.exe on one Windows machine, as its users type it. */
import { expect } from "bun:test";
import { openPlace, testOnWindows } from "./place.ts";

testOnWindows("tells its version", async () => {
  await using place = await openPlace();
  expect((await place.hs(["--version"])).stdout).toStartWith("hs ");
});

testOnWindows("runs a template for each line of its input", async () => {
  await using place = await openPlace();
  place.write("numbers", "1\r\n2\r\n3\r\n4\r\n");
  const { status, stdout, stderr } = await place.cmd('type numbers | hsx -t "echo {}"');
  expect([status, stderr, stdout.split("\r\n").toSorted()]).toEqual([0, "", ["", "1", "2", "3", "4"]]);
});
