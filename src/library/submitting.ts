/*
 * `submit`: tasks into a database, or into that of a server.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError } from "../base/errors.ts";
import { programVersion } from "../base/version.ts";
import { begin, openDatabase, type Target } from "../cluster/submission.ts";
import { resourceNames } from "../config/resource-names.ts";
import { type Loaded, load } from "../submit/loader.ts";
import type { Submission } from "../task/task.ts";
import { accessOf, endpointOf } from "./access.ts";
import { givenTasks } from "./given.ts";
import type { ServerOptions, SubmitOptions, Submitted, Tasks } from "./interface.ts";
import { type Setting, settingOf } from "./setting.ts";
import { whenAborted } from "./stopping.ts";
import { defaultsOf } from "./wishes.ts";

/** Stores tasks, and answers when all of them are stored. Throws what `submit` throws. */
export async function submitTasks(tasks: Tasks, options: SubmitOptions): Promise<Submitted> {
  const { server, signal } = options;
  signal?.throwIfAborted();
  if (server !== undefined && options.database !== undefined)
    throw argumentError("server: not together with database, which is that of the server");
  const setting = settingOf(options, true);
  if (setting.noDatabase) throw argumentError("database: must not be false, or tasks have no place to wait");
  const { config, loggers } = setting;
  const resources = resourceNames(config);
  const {
    taskCores: cores,
    taskMemory: memory,
    taskTimeout: timeout,
    group,
    settings,
  } = defaultsOf(options, setting, resources);
  const given = givenTasks(tasks, resources, async () => true);
  const { target, factory } = await begin(
    { id: setting.id, env: setting.env, cwd: setting.cwd, version: programVersion },
    {
      read: given.read,
      tags: settings,
      limits: { cores, memory, timeout },
      group,
      connect: (submission) =>
        server === undefined ? openDatabase(config, loggers("data"), false) : openServer(server, setting, submission),
      patientMs: 0,
    },
  );
  const stopping = new AbortController();
  const releases = [signal, target.broken].map((each) => whenAborted(each, () => stopping.abort()));
  let loaded: Loaded;
  try {
    loaded = await load({
      source: given.source,
      factory,
      store: target,
      expand: null,
      bundleSize: null,
      clock: systemClock,
      log: loggers("submit"),
      patientMs: 0,
      signal: stopping.signal,
    });
  } catch (error) {
    // What went wrong first is what the caller must know.
    await target.close().catch(() => undefined);
    throw error;
  } finally {
    given.close();
    for (const release of releases) release();
  }
  // A server has said that all is stored when its connection is closed.
  await target.close();
  signal?.throwIfAborted();
  return { id: setting.id, count: loaded.stored };
}

async function openServer(server: ServerOptions, setting: Setting, submission: Submission): Promise<Target> {
  const { host, port } = endpointOf(server, setting);
  const security = await accessOf(server, setting, host, "submit");
  const { openQueue } = await import("../cluster/enqueue.ts");
  const heartMs = setting.config.integer("client.heartrate") * 1000;
  return openQueue({ host, port, security, submission, clock: systemClock, heartMs });
}
