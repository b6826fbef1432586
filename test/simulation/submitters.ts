/*
 * Submitters of the simulation: processes that store tasks in the database, or send them to the server and believe what
 * it answers.
 */
import { assert } from "../../src/base/assert.ts";
import type { Submission } from "../../src/task/task.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import type { Duplex } from "../../src/wire/duplex.ts";
import { type Cluster, directory, newTasks } from "./cluster.ts";
import { enterSession } from "./sessions.ts";

function newSubmission(cluster: Cluster): Submission {
  const { world, newId } = cluster;
  const cwd = directory(cluster);
  return { id: newId(), time: world.now(), host: "login", user: "", cwd, template: null, version: "" };
}

/** `hs submit` with a database. */
export function submit(cluster: Cluster, count: number): void {
  const { model, world } = cluster;
  const submission = newSubmission(cluster);
  model.addSubmission(submission);
  model.insert(newTasks(cluster, submission.id, count));
  world.mark(`submit ${count}`);
  world.trace(() => `---- ${count} tasks submitted`);
}

/** `hs submit --queue`: tries once; what is answered must be stored. */
export function submitByQueue(cluster: Cluster, count: number): void {
  const { world, network, model, plan } = cluster;
  const { rng } = world;
  const process = world.process("submitter");
  const submission = newSubmission(cluster);
  const tasks = newTasks(cluster, submission.id, count);
  let sent = 0;
  let stored = 0;

  function leave(how: string): void {
    world.trace(() => `submitter ---- ${how}: ${stored} of ${sent} stored`);
    process.end(how);
  }

  function send(link: Duplex<PeerMessage, HostMessage>): void {
    while (sent < tasks.length) {
      const some = tasks.slice(sent, sent + rng.between(1, 10));
      sent += some.length;
      link.send({ kind: "tasks", tasks: some });
    }
    link.send({ kind: "done" });
  }

  async function main(): Promise<void> {
    const link = await enterSession(cluster, process, await network.connect(process, rng.between(0, plan.servers - 1)));
    link.open({
      message(message) {
        world.mark(`submitter ${message.kind}`);
        world.trace(() => `submitter <--- ${JSON.stringify(message)}`);
        if (message.kind === "accepted") return send(link);
        if (message.kind === "refused") return leave("refused");
        assert(message.kind === "stored", "a submitter is not answered as a client");
        for (const { id } of tasks.slice(stored, stored + message.count)) {
          assert(model.row(id) !== undefined || model.deleted.has(id), "what is answered is stored");
          assert(!model.unsynced.has(`new ${id}`), "what is answered survives a power cut");
        }
        stored += message.count;
        assert(stored <= sent, "no more is answered than was sent");
      },
      drain() {
        // There is little to send.
      },
      close(error) {
        leave(error === null && stored === tasks.length ? "done" : "lost");
      },
    });
    link.send({ kind: "submitter", submission });
    // Perhaps it never hears of anything: somebody ends it then.
    world.at(world.now() + 30_000, () => leave("killed"));
  }

  main().catch(() => leave("failed"));
}
