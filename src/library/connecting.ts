/*
 * `connect`: a client in this process, which runs the tasks of a server.
 */
import { runClientAlone } from "../cluster/remote.ts";
import { accessOf, endpointOf } from "./access.ts";
import type { Client, ConnectOptions } from "./interface.ts";
import { numberIn, settingOf } from "./setting.ts";
import { newStopper, whenAborted } from "./stopping.ts";
import { executingOf } from "./wishes.ts";

/** Starts a client, and answers when the server has taken it in. Throws what `connect` throws. */
export async function startClient(options: ConnectOptions): Promise<Client> {
  const { signal } = options;
  signal?.throwIfAborted();
  const setting = settingOf(options, false);
  const { id, env, cwd, config, loggers } = setting;
  const endpoint = endpointOf(options, setting);
  const executing = executingOf(options, setting);
  const idle = numberIn("idle", options.idle, config.integer("client.timeout") ?? 0, { whole: false });
  const security = await accessOf(options, setting, endpoint.host, "client");
  const stopper = newStopper();
  const connected = Promise.withResolvers<void>();
  const running = runClientAlone({
    ...executing,
    instanceId: id,
    env,
    cwd,
    config,
    loggers,
    servers: [endpoint],
    security,
    bundleSize: config.integer("client.bundlesize"),
    bundleWaitMs: config.number("client.bundlewait") * 1000,
    launched: false,
    job: null,
    delayMs: 0,
    idleMs: idle === 0 ? null : idle * 1000,
    taskTimeout: numberIn("taskTimeout", options.taskTimeout, config.integer("task.timeout"), {}),
    hearStop: stopper.hear,
    onConnected: connected.resolve,
  });
  const release = whenAborted(signal, stopper.stop);
  const done = running.finally(release).then(() => signal?.throwIfAborted());
  // Whoever does not ask how it went need not hear of it.
  done.catch(() => undefined);
  // A client that is sent away before anything else was taken in, too.
  await Promise.race([connected.promise, done]);
  const ended = async (): Promise<void> => {
    await done.catch(() => undefined);
  };
  return {
    done,
    stop() {
      stopper.stop();
      return ended();
    },
    drain() {
      stopper.drain();
      return ended();
    },
    [Symbol.asyncDispose]() {
      stopper.stop();
      return ended();
    },
  };
}
