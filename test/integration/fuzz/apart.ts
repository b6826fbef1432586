/* A server for the fuzzer in a process of its own, so that its memory is its own too. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { passOn, type SocketStream, streamOf } from "../../../src/wire/socket.ts";
import { statusBytes } from "../../../scripts/bench-measure.ts";
import type { Told } from "./ledger.ts";
import type { Where } from "./stores.ts";
import { binding, type Target } from "./target.ts";

type Opened = { readonly kind: "open"; readonly serverId: string; readonly forgets: boolean };

/** Starts a server in a process of its own. Disposing of it kills it. */
export async function targetApart(where: Where): Promise<Target & AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), "hs-fuzz-"));
  const path = join(folder, "socket");
  const program = join(import.meta.dir, "../../../scripts/soak-fuzz-server.ts");
  const child = Bun.spawn([process.execPath, program, path, JSON.stringify(where)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const opened = Promise.withResolvers<Opened>();
  let judge: (told: Told) => void = () => undefined;
  const take = (told: Told | Opened): void => {
    if (told.kind === "open") opened.resolve(told);
    else judge(told);
  };
  const heard = eachLine(child.stdout, (line) => take(JSON.parse(line) as Told | Opened)).catch(failed.reject);
  let isStopping = false;
  const over = child.exited.then((status) => {
    if (isStopping && status === 0) return;
    failed.reject(new Error(`the server has ended with status ${status}`));
  });
  const { serverId, forgets } = await Promise.race([opened.promise, failed.promise]);
  return {
    serverId,
    forgets,
    connect: () => connect(path),
    listen: (tell) => void (judge = tell),
    failed: failed.promise,
    async stop() {
      isStopping = true;
      await child.stdin.end();
      await over;
      await heard;
    },
    memory: () => ({ now: statusBytes(child.pid, "VmRSS") ?? 0, most: statusBytes(child.pid, "VmHWM") ?? 0 }),
    async [Symbol.asyncDispose]() {
      isStopping = true;
      child.kill("SIGKILL");
      await child.exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function eachLine(from: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let held = "";
  for await (const chunk of from) {
    const lines = `${held}${decoder.decode(chunk, { stream: true })}`.split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
}

async function connect(path: string): Promise<ByteStream> {
  const socket = await Bun.connect<SocketStream>({
    unix: path,
    socket: {
      ...passOn,
      open(opened) {
        opened.data = streamOf(opened, "server", binding, systemClock);
      },
      close: (closed, error) => closed.data?.closed(error ?? null),
    },
  });
  return socket.data;
}
