import { expect, test } from "bun:test";
import { NoTables, UserError } from "../../../src/base/errors.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command, initdb } from "../../../src/cli/initdb.ts";
import type { InitdbPorts } from "../../../src/cli/housekeeping.ts";
import type { Logger } from "../../../src/log/logger.ts";
import type { UpkeepStore } from "../../../src/history/history.ts";
import type { ServerRow } from "../../../src/store/store.ts";

interface Scene {
  readonly provider?: "sqlite" | "postgresql" | null;
  readonly isTerminal?: boolean;
  readonly answer?: string | null;
  /** Servers that are there at the first look, at the second, ... */
  readonly servers?: readonly (readonly ServerRow[])[];
  readonly missing?: boolean;
}

interface Told {
  readonly status: number;
  readonly shown: string;
  /** What was done, in order: calls of the store, and log lines. */
  readonly done: readonly string[];
}

const server: ServerRow = {
  id: "s",
  host: "node01",
  pid: 7,
  pidStart: null,
  processTable: null,
  firstLease: 0,
  reserves: false,
  startedAt: 0,
  beatAt: 0,
};

async function run(words: readonly string[], scene: Scene = {}): Promise<Told> {
  const { provider = "sqlite", isTerminal = true, answer = "y", servers = [] } = scene;
  const done: string[] = [];
  let shown = "";
  let missing = scene.missing === true;
  let looks = 0;
  const say = (level: string) => (text: unknown) => void done.push(`${level} ${String(text)}`);
  const log = { info: say("INFO"), warning: say("WARNING") } as unknown as Logger;
  const act =
    (name: string, answered?: unknown) =>
    async (...rest: unknown[]) => {
      done.push([name, ...rest.filter((word) => typeof word !== "function")].join(" "));
      return answered as never;
    };
  const place = provider === "sqlite" ? "/x/main.db" : "db:5432/tasks";
  const ports: InitdbPorts = {
    log,
    isTerminal,
    watching: (_look, work) => work(),
    prompt: { write: (text) => void (shown += text), readLine: async () => answer, echoes: true },
    database: async () => (provider === null ? null : { provider, place }),
    async open(create) {
      if (missing && !create) throw new NoTables();
      done.push(create ? "open, create" : "open");
      const store: UpkeepStore = {
        provider: provider!,
        place,
        title: `${provider} (${place})`,
        created: missing,
        optimize: act("optimize"),
        total: async () => 3,
        vacuum: act("vacuum", 2048),
        async backup(path) {
          if (provider === "postgresql") throw new UserError(2, "", "backups are for SQLite");
          done.push(`backup ${path}`);
        },
        nextPartition: async () => "/x/main.4",
        rotate: act("rotate", 1),
        truncate: act("truncate"),
        close: act("close"),
      };
      missing = false;
      return store;
    },
    servers: async () => servers[looks++] ?? [],
    attempts: () => 3,
  };
  const parsed = parseFlags(command.spec, words);
  if (parsed === "help") throw new Error("no help was asked for");
  const status = await initdb(parsed, ports).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    done.push(`error ${error.message}`);
    return error.status;
  });
  return { status, shown, done };
}

test("each action names provider and place, and is done only after a yes", async () => {
  const asked = {
    "--vacuum": "Vacuum sqlite (/x/main.db)",
    "--backup=copy": "Backup sqlite (/x/main.db) into 'copy'",
    "--rotate": "Rotate sqlite (/x/main.db) to '/x/main.4'",
    "--truncate": "Truncate sqlite (/x/main.db) with 3 tasks",
  };
  for (const [word, question] of Object.entries(asked)) {
    const yes = await run([word]);
    expect([yes.status, yes.shown, yes.done.length > 3]).toEqual([0, `${question}? [Y]es/no: Ok\n`, true]);
    for (const answer of ["no", null]) {
      const no = await run([word], { answer });
      expect([no.status, no.shown, no.done]).toEqual([
        0,
        `${question}? [Y]es/no: ${answer === null ? "\n" : ""}Stopping\n`,
        ["open", "close"],
      ]);
    }
    const other = await run([word], { answer: "what" });
    expect([other.status, other.done]).toEqual([5, ["open", "close", "error Stopping: 'what' is neither yes nor no"]]);
    expect((await run([word, "-y"], { isTerminal: false })).done).toEqual(yes.done);
  }
});

test("the log tells what is done, and what came of it", async () => {
  expect((await run(["-v"])).done).toEqual([
    "open",
    "INFO Vacuuming database /x/main.db",
    "vacuum",
    "INFO Cleaned 2.00KB from /x/main.db",
    "close",
  ]);
  expect((await run(["-r"])).done).toEqual([
    "open",
    "INFO Rotating database /x/main.db into /x/main.4",
    "rotate /x/main.4 3",
    "INFO Moved 1 task to /x/main.4",
    "close",
  ]);
});

test("nothing is opened where nobody can be asked, or where there is no database", async () => {
  for (const word of ["-v", "-bcopy", "-r", "-t"]) {
    const away = await run([word], { isTerminal: false });
    expect([away.status, away.done]).toEqual([
      5,
      ["error This asks a question and there is no terminal: repeat with --yes"],
    ]);
    const none = await run([word, "-y"], { provider: null });
    expect([none.status, none.done]).toEqual([3, [expect.stringContaining("No database configured")]]);
  }
});

test("without an action only tables of PostgreSQL that are missing are asked about", async () => {
  const tuned = ["INFO Optimizing database /x/main.db", "optimize", "close"];
  expect(await run([], { isTerminal: false })).toEqual({
    status: 0,
    shown: "",
    done: ["open", "INFO SQLite database initialized automatically", ...tuned],
  });
  const there = await run([], { provider: "postgresql", isTerminal: false });
  expect([there.shown, there.done[0]]).toEqual(["", "open"]);
  const missing = await run([], { provider: "postgresql", missing: true });
  expect([missing.shown, missing.done[0]]).toEqual([
    "Initialize postgresql (db:5432/tasks)? [Y]es/no: Ok\n",
    "open, create",
  ]);
  expect((await run([], { provider: "postgresql", missing: true, answer: "n" })).done).toEqual([]);
  const away = await run([], { provider: "postgresql", missing: true, isTerminal: false });
  expect([away.status, away.done.length]).toEqual([5, 1]);
});

test("a copy of PostgreSQL is refused before anybody is asked", async () => {
  expect(await run(["-b", "copy"], { provider: "postgresql" })).toEqual({
    status: 2,
    shown: "",
    done: ["open", "close", "error backups are for SQLite"],
  });
});

test("servers that use a database keep it from being truncated, also if they come while somebody thinks", async () => {
  for (const servers of [[[server]], [[], [server]]]) {
    const { status, done } = await run(["-t"], { servers });
    expect([status, done.includes("truncate"), done.at(-1)]).toEqual([
      5,
      false,
      "error The database is in use by a server (node01, process 7) - stop it first",
    ]);
  }
  expect((await run(["-t"])).done).toContain("truncate");
});
