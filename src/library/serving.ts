/*
 * `serve`: a server in this process, for clients and submitters elsewhere.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError } from "../base/errors.ts";
import { hostName } from "../base/process.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import { freshKey, serverSecurity } from "../cluster/security.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import { runServerAlone } from "../cluster/standalone.ts";
import type { Config } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import { givenTasks } from "./given.ts";
import type { ServeOptions, Server, Summary } from "./interface.ts";
import { watchStore } from "./outcomes.ts";
import { taskOfEnded } from "./record.ts";
import { numberIn, settingOf } from "./setting.ts";
import { newStopper, whenAborted } from "./stopping.ts";
import { defaultsOf, servingOf, taskInput } from "./wishes.ts";

/** Starts a server, and answers when it listens. Throws what `serve` throws. */
export async function startServer(options: ServeOptions): Promise<Server> {
  const { signal, tasks, restart = false, onOutcome } = options;
  signal?.throwIfAborted();
  if (tasks !== undefined && restart) throw argumentError("restart: not together with tasks");
  const setting = settingOf(options, false);
  if (restart && setting.noDatabase) throw argumentError("restart: needs a database, which has what is to be run");
  const { config, loggers } = setting;
  const bind = (options.bind ?? "localhost").replace(/^\[(.*)\]$/, "$1");
  const port = numberIn("port", options.port, 0, { most: 65_535 });
  const resources = resourceNames(config);
  const defaults = defaultsOf(options, setting, resources);
  const given = tasks === undefined ? null : givenTasks(tasks, resources, async () => true);
  const key = options.key ?? (isKeySet(config) ? null : freshKey());
  const words = { noTls: options.tls === false, key, cert: null, certKey: null, ca: null };
  const security = await serverSecurity({ ...words, config, loggers, bind });
  const stopper = newStopper();
  const listening = Promise.withResolvers<Endpoint>();
  const running = runServerAlone({
    ...servingOf(options, setting),
    ...defaults,
    restart,
    forever: given === null && !restart,
    shell: null,
    bind,
    port,
    security,
    ...(given === null ? {} : { tasks: taskInput(given, defaults) }),
    ...(onOutcome === undefined
      ? {}
      : {
          around: (store) =>
            watchStore(store, {
              clock: systemClock,
              onInsert: () => undefined,
              tell(ended) {
                try {
                  onOutcome(taskOfEnded(ended));
                } catch {
                  // The outcome is stored, and a server must not come to grief because somebody who looks on does.
                }
              },
            }).store,
        }),
    hearStop: stopper.hear,
    onListening: listening.resolve,
  });
  function stop(): void {
    given?.close();
    stopper.stop();
  }
  const release = whenAborted(signal, stop);
  const over = running.finally(() => {
    release();
    given?.close();
  });
  const done = over.then((report) => {
    signal?.throwIfAborted();
    return summaryOf(report);
  });
  // Whoever does not ask how it went need not hear of it.
  done.catch(() => undefined);
  const at = await Promise.race([listening.promise, over.then(() => null)]);
  if (at === null) signal?.throwIfAborted();
  return serverOf(at, security.key, done, { stop, drain: stopper.drain });
}

function serverOf(
  at: Endpoint | null,
  key: string,
  done: Promise<Summary>,
  { stop, drain }: { readonly stop: () => void; readonly drain: () => void },
): Server {
  const { host, port } = at ?? { host: "localhost", port: 0 };
  const name = isAny(host) ? hostName() : host;
  const ended = async (): Promise<void> => {
    await done.catch(() => undefined);
  };
  return {
    address: name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`,
    port,
    key,
    done,
    stop() {
      stop();
      return ended();
    },
    drain() {
      drain();
      return ended();
    },
    [Symbol.asyncDispose]() {
      stop();
      return ended();
    },
  };
}

/** Whether a server listens on every address, none of which is a name for others to call. */
function isAny(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Whether the configuration has a key for servers. */
function isKeySet(config: Config): boolean {
  return ["server.auth", "server.authfile"].some((key) => config.origin(key).source !== "default");
}

function summaryOf({ tally, left }: ClusterReport): Summary {
  return { succeeded: tally.succeeded, failed: tally.failed, cancelled: tally.cancelled, left };
}
