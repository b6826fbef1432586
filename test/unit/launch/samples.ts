/* The plan of a client, for tests of what starts clients. */
import { clientOptions, type ClientValues } from "../../../src/args/options.ts";
import { wordsOf } from "../../../src/args/settled.ts";
import type { ClientPlan } from "../../../src/launch/launcher.ts";

type Told = { readonly [K in keyof ClientValues]: ClientValues[K] | null };

/** How a client is to be started that is told these values; by hsx, that is. */
export function makePlan(told: Partial<Told> = {}, way: Partial<ClientPlan> = {}): ClientPlan {
  const values: Told = {
    executors: 4,
    bundleSize: null,
    bundleWait: null,
    template: null,
    shell: null,
    delay: null,
    signalWait: 10,
    enforce: false,
    capture: false,
    results: null,
    monitor: false,
    timeout: null,
    taskTimeout: null,
    resource: [],
    until: null,
    clientCores: null,
    clientMemory: null,
    ratelimit: null,
    ...told,
  };
  return {
    program: "/opt/hs",
    host: "login",
    port: 50001,
    options: wordsOf(clientOptions, values),
    tls: true,
    cafile: null,
    ...way,
  };
}
