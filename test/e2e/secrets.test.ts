/* The watch over all end-to-end tests (scripts/watch-secrets.ts) finds what breaks its rules, and nothing else. */
import { expect } from "bun:test";
import { planted, watchSecrets } from "../../scripts/watch-secrets.ts";
import { dist, needs, openSite, until } from "./harness.ts";

const [key, password] = ["planted-key-0123456789", "planted-password"];

needs([], process.platform === "linux" ? null : "needs /proc")(
  "a key on a command line, and a password in the environment of a task, are found",
  async () => {
    await using site = openSite();
    const watch = watchSecrets(dist, true);
    const env = { [planted]: "1", HYPERSHELL_SERVER_AUTH: key, HYPERSHELL_DATABASE_PASSWORD: password };
    const exported = { HYPERSHELL_EXPORT_MINE: password };
    const wait = "until [ -e over ]; do sleep 0.05; done";
    // The shell shows its words, and so does a task; [export] gives another what it should not have.
    const shell = site.start(["sh", "-c", `: ${key}; ${wait}`], { env });
    const tasks = `: told ${key}; ${wait}\n: no more; ${wait}\n`;
    const run = site.hsx(["--no-db", "-N2"], { stdin: tasks, env: { ...env, ...exported } });
    const honest = site.hsx(["--no-db"], { stdin: `: honest; ${wait}\n`, env });
    const expected = [
      `in HYPERSHELL_EXPORT_MINE of what hs started: /bin/sh -c : no more; ${wait}`,
      `in HYPERSHELL_EXPORT_MINE of what hs started: /bin/sh -c : told ***; ${wait}`,
      `in TASK_ARGS of what hs started: /bin/sh -c : told ***; ${wait}`,
      `on a command line: /bin/sh -c : told ***; ${wait}`,
      `on a command line: sh -c : ***; ${wait}`,
    ];
    await until(
      () => expected.every((each) => watch.wrong.has(each)),
      () => `found only ${[...watch.wrong].join("\n")}`,
    );
    site.write("over", "");
    expect([(await honest).status, (await run).status, (await shell.ended).status]).toEqual([0, 0, 0]);
    const { wrong, secrets } = watch.stop();
    expect(secrets).toBe(2);
    // What a shell starts inherits from it.
    expect(wrong.filter((each) => !each.includes(": sleep")).toSorted()).toEqual(expected);
  },
);
