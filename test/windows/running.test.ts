/* hs.exe on one Windows machine, as its users type it. */
import { expect } from "bun:test";
import { openPlace, testOnWindows } from "./place.ts";

testOnWindows("a template runs for each line of the input", async () => {
  await using place = await openPlace();
  place.write("numbers", "1\r\n2\r\n3\r\n4\r\n");
  const { status, stdout, stderr } = await place.cmd('type numbers | hsx -t "echo {}"');
  expect([status, stderr, stdout.split("\r\n").toSorted()]).toEqual([0, "", ["", "1", "2", "3", "4"]]);
});

testOnWindows("each file of a folder has its own output", async () => {
  await using place = await openPlace();
  for (const name of ["a", "b"]) place.write(`in/${name}.txt`, `one\r\nNEEDLE ${name}\r\n`);
  place.write("out/.keep", "");
  const { status, stdout, stderr } = await place.cmd(
    'dir /s /b in | hsx -N2 -t "find ""NEEDLE"" < {} > out/{/-}.out" --no-db --no-confirm',
  );
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  expect(place.linux.read("out/a.out")).toBe("NEEDLE a\r\n");
  expect(place.linux.read("out/b.out")).toBe("NEEDLE b\r\n");
});

testOnWindows("exit statuses are recorded as they are", async () => {
  await using place = await openPlace();
  const statuses = [0, 1, 256, 259, 512, -1_073_741_819, -1];
  place.write("tasks", statuses.map((status) => `exit ${status}\r\n`).join(""));
  expect((await place.hsx(["tasks", "-N2"])).status).toBe(7);
  const { stdout } = await place.hs(["list", "exit_status", "--order-by", "args"]);
  const recorded = stdout.split(/\r?\n/).filter(Boolean).map(Number);
  expect(recorded.toSorted((one, other) => one - other)).toEqual([0, 1, 256, 259, 512, 3_221_225_477, 4_294_967_295]);
});
