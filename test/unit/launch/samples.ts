/* The plan of a client, for tests of what starts clients. */
import type { ClientPlan } from "../../../src/launch/launcher.ts";

/** How a client is to be started. */
export function makePlan(fields: Partial<ClientPlan> = {}): ClientPlan {
  return {
    program: "/opt/hs",
    host: "login",
    port: 50001,
    executors: 4,
    bundleSize: null,
    bundleWait: null,
    template: null,
    delay: 0,
    signalWait: 10,
    capture: false,
    idle: null,
    taskTimeout: null,
    tls: true,
    cafile: null,
    ...fields,
  };
}
