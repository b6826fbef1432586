/*
 * Peers that know the key, and are hostile or merely odd, at a server with a real database: what they say ends their
 * own connection with one line in the log, and nothing else. All that a peer may say, bent in every way, is in
 * test/integration/fuzz.
 */
import { expect } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { newId } from "../../src/base/ids.ts";
import type { ClaimedTask } from "../../src/task/task.ts";
import { connect } from "../../src/wire/connect.ts";
import type { HostLink } from "../../src/wire/link.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import { linesOf, needs, openSite, until } from "../e2e/harness.ts";
import { secured, startClient, startServer } from "../e2e/serving.ts";
import { makeClaimed, makeOutcome } from "../make.ts";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";

const withPostgres = needs([], noPostgres);
const postgres = sharedPostgres();

/** A peer that knows the key, and says what it likes. */
interface Peer {
  readonly link: HostLink;
  readonly heard: HostMessage[];
  readonly isOver: () => boolean;
  say(message: object): void;
  /** Waits for a message of this kind. */
  hears<Kind extends HostMessage["kind"]>(kind: Kind): Promise<Extract<HostMessage, { kind: Kind }>>;
}

async function call(port: string): Promise<Peer> {
  const link = await connect({
    host: "127.0.0.1",
    port: Number(port),
    key: secured.HYPERSHELL_SERVER_AUTH,
    tls: null,
    clock: systemClock,
    connectMs: 5000,
    handshakeMs: 5000,
  });
  const heard: HostMessage[] = [];
  let isOver = false;
  link.open({ message: (each) => void heard.push(each), drain: () => undefined, close: () => void (isOver = true) });
  return {
    link,
    heard,
    isOver: () => isOver,
    say: (message) => void link.send(message as PeerMessage),
    async hears(kind) {
      const found = (): HostMessage | undefined => heard.find((each) => each.kind === kind);
      await until(
        () => found() !== undefined,
        () => `no ${kind} came`,
      );
      return found() as never;
    },
  };
}

const hello = (fields: object = {}): object => ({
  kind: "hello",
  clientId: newId(),
  host: "node7",
  executors: 1,
  credit: 0,
  running: [],
  finished: [],
  ...fields,
});

withPostgres(
  "what a database would choke on ends the connection that says it, and a status of Windows is kept",
  async () => {
    await using site = openSite();
    const database = await postgres().create();
    const env = postgres().env(database);
    expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
    site.write("tasks.in", "crash\n");
    expect((await site.hs(["submit", "-f", "tasks.in"], { env })).status).toBe(0);
    const { server, port } = await startServer(site, ["--forever", "--no-tls"], { env });
    const warnings = (): string[] => linesOf(server.stderr()).filter((line) => line.includes("Gave up the connection"));

    // A client of Windows, whose task has crashed.
    const odd = await call(port);
    const oddId = newId();
    odd.say(hello({ clientId: oddId, credit: 1, secret: "its-own" }));
    const { tasks } = await odd.hears("assign");
    const task = tasks[0]! as ClaimedTask & { readonly lease: number };
    const times = { startTime: Date.now(), completionTime: Date.now() };
    const outcome = makeOutcome(task, { exitStatus: 3_221_225_477, ...times });
    odd.say({ kind: "results", outcomes: [outcome], credit: 0 });
    await odd.hears("ack");
    odd.say({ kind: "bye", reason: "all is done" });
    odd.link.close();

    const lease = { id: "no-id", lease: 1 };
    const said: readonly (readonly [first: object | null, said: object, field: string])[] = [
      [null, hello({ clientId: "no-id" }), "clientId"],
      [null, hello({ running: [lease] }), "id"],
      [null, hello({ finished: [lease] }), "id"],
      [hello(), { kind: "results", credit: 0, outcomes: [{ ...outcome, exitStatus: 2 ** 32 }] }, "exitStatus"],
      [hello(), { kind: "results", credit: 0, outcomes: [{ ...outcome, completionTime: 8.64e15 }] }, "completionTime"],
      [hello(), { kind: "results", credit: 0, outcomes: [{ ...outcome, startTime: 1e17 }] }, "startTime"],
      [hello(), { kind: "results", credit: 0, outcomes: [{ ...outcome, outpath: "/a\0" }] }, "outpath"],
      [hello(), { kind: "beat", started: [{ id: newId(), lease: 1, startTime: 1e308 }] }, "startTime"],
    ];
    for (const [first, message, field] of said) {
      const peer = await call(port);
      if (first !== null) peer.say(first);
      const before = warnings().length;
      peer.say(message);
      await until(peer.isOver, () => `is still connected after ${JSON.stringify(message)}`);
      await until(
        () => warnings().length > before,
        () => `the server warns of ${field}\n${server.stderr()}`,
      );
      expect(warnings().at(-1)).toContain(`: ${field} should be `);
    }

    // What a submitter calls itself writes into nobody's terminal.
    const loud = await call(port);
    const host = "laptop\u001b]0;x\u0007\nERROR \u009b2J\u202e";
    const submission = { id: newId(), time: Date.now(), host, user: "me", cwd: "/", template: null, version: "1" };
    loud.say({ kind: "submitter", submission });
    await loud.hears("accepted");
    loud.say({ kind: "tasks", tasks: [makeClaimed(newId(), { submitId: submission.id, attempt: 2 })] });
    await loud.hears("refused");
    await server.line(/Submitter refused \(laptop\\x1b\]0;x\\x07\\nERROR \\x9b2J\\u202e: /);

    // The server goes on: an honest client gets what comes in.
    const client = startClient(site, port, ["--no-tls"]);
    expect((await site.hs(["submit", "echo", "honest"], { env })).status).toBe(0);
    await client.line(/^honest$/);
    const listed = await site.hs(["list", "exit_status", "-w", "exit_status>=3221225477"], { env });
    expect(listed.stdout).toBe("3221225477\n");
    server.kill("SIGTERM");
    await Promise.all([server.ended, client.ended]);
  },
);
