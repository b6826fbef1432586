/*
 * What the fuzzer speaks to: a server, wherever it runs. Here it runs in the same process, and connections are in
 * memory; apart.ts has one in a process of its own.
 */
import type { Store } from "../../../src/store/store.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { warningLog } from "../../make.ts";
import { memoryBytes } from "../../unit/wire/memory.ts";
import type { Told } from "./ledger.ts";
import { serve } from "./served.ts";

export interface Target {
  readonly serverId: string;
  /** Whether its store forgets what has ended. */
  readonly forgets: boolean;
  /** Connects to the server. */
  readonly connect: () => Promise<ByteStream>;
  /** Has everything told from now on. What the judge throws ends the attack. */
  readonly listen: (judge: (told: Told) => void) => void;
  /** Rejects when the server ends by itself, or when the judge has thrown. */
  readonly failed: Promise<never>;
  /** Has the server finish what it has; resolves when it has ended in order. */
  readonly stop: () => Promise<void>;
  /** The memory of its process, bytes: now, and at most so far. */
  readonly memory: () => { readonly now: number; readonly most: number };
}

/** The two ends of a connection count as one of TLS: frames need no MAC then. */
export const binding = new Uint8Array(32);

/** Starts a server in this process. The caller closes the store. */
export async function targetHere(store: Store): Promise<Target> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  let judge: (told: Told) => void = () => undefined;
  let isStopping = false;
  let most = 0;
  const log = warningLog(() => undefined);
  const { server, serverId, attach } = await serve(store, log, (told) => {
    try {
      judge(told);
    } catch (error) {
      failed.reject(error);
    }
  });
  const over = server.finished.then(
    () => (isStopping ? undefined : failed.reject(new Error("the server has ended"))),
    failed.reject,
  );
  return {
    serverId,
    forgets: !store.durable,
    async connect() {
      const [near, far] = memoryBytes({ binding });
      attach(far);
      return near;
    },
    listen: (tell) => void (judge = tell),
    failed: failed.promise,
    async stop() {
      isStopping = true;
      server.stop("finish");
      await over;
    },
    memory() {
      const now = process.memoryUsage.rss();
      return { now, most: (most = Math.max(most, now)) };
    },
  };
}
