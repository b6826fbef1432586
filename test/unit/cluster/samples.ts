/* What tests of launchers and of recovery need besides what they are about. */
import type { ClientPlan } from "../../../src/cluster/launcher.ts";
import type { Logger } from "../../../src/log/logger.ts";

const nothing = (): void => undefined;

/** Nobody reads it. */
export const silent: Logger = {
  enabled: () => false,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warning: nothing,
  error: nothing,
  critical: nothing,
};

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
