/*
 * Limits that a user sets with ulimit before a run: tasks have them too, whatever the program itself needs.
 */
import { expect } from "bun:test";
import { needs, openSite } from "./harness.ts";

const onLinux = needs([], process.platform === "linux" ? null : "only Linux tells what Bun does to limits");

onLinux("tasks may open as many files as the user lets hsx, at its start", async () => {
  await using site = openSite();
  const ask = "echo 'ulimit -Sn; ulimit -Hn' | hsx";
  for (const [before, words, limits] of [
    ["ulimit -Sn 1024; ulimit -Hn 8000", "--no-db", "1024\n8000\n"],
    ["ulimit -Sn 1024; ulimit -Hn 8000", "-N100", "1024\n8000\n"],
    ["ulimit -n 700", "", "700\n700\n"],
    // Where they would be too few for hsx itself, they are raised as far as it needs.
    ["ulimit -Sn 1024; ulimit -Hn 8000", "-N1000", "3128\n8000\n"],
    ["ulimit -Sn 1024; ulimit -Hn 1500", "-N1000", "1500\n1500\n"],
    // A launcher hands its limits on, as srun does.
    ["ulimit -Sn 1024; ulimit -Hn 8000", "--launcher='env A=b' -H 127.0.0.1", "1024\n8000\n"],
  ] as const) {
    const ended = await site.shell(`${before}; ${ask} ${words}`);
    expect([before, words, ended.status, ended.stdout]).toEqual([before, words, 0, limits]);
  }
});

onLinux("many tasks at once, with a limit that a user left low", async () => {
  await using site = openSite();
  const barrier = "echo x >> here; until [ $(wc -l <here) -ge 150 ]; do sleep 0.2; done";
  site.write("in", `${barrier}\n`.repeat(150));
  const ended = await site.shell("ulimit -Sn 80; ulimit -Hn 2000; hsx in -N150 --capture", { timeoutMs: 60_000 });
  expect(ended).toEqual({ status: 0, stdout: "", stderr: "" });
});
