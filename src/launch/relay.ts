/*
 * Passes on what a launcher writes on its stderr, so that its last lines are known. Whole lines keep what several
 * launchers write apart. Knows nothing of launchers.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { writeAll } from "../base/write.ts";

/** How many last lines are remembered, and how many characters of each on average. */
const rememberedLines = 5;
const rememberedCharacters = 400;
/** After this long, milliseconds, an unfinished line is passed on. Until then it is held, so that lines stay whole. */
const unfinishedMs = 50;
/** The largest number of bytes of an unfinished line that are held. */
const longestHeld = 65_536;
const newline = 0x0a;

export interface Relay {
  /** Resolves when everything is passed on; rejects when the stream cannot be read. */
  readonly done: Promise<void>;
  /** The last lines so far that are not blank. */
  readonly lastLines: () => readonly string[];
}

/** Passes a stream on to our stderr, whole lines at a time, and remembers its last lines. */
export function relay(stream: ReadableStream<Uint8Array<ArrayBuffer>>, clock: Clock): Relay {
  let held: Uint8Array = new Uint8Array(0);
  let tail = "";
  let open = true;
  let timer: Timer | null = null;
  const decoder = new TextDecoder();

  function pass(bytes: Uint8Array): void {
    if (!open || bytes.length === 0) return;
    try {
      writeAll(2, bytes);
    } catch (thrown) {
      // The launcher must go on even if nobody reads our stderr any more. A full disk may have room again later.
      const code = (thrown as { code?: unknown }).code;
      open = code === "ENOSPC" || code === "EDQUOT";
    }
  }

  function flush(): void {
    timer?.cancel();
    timer = null;
    pass(held);
    held = new Uint8Array(0);
  }

  async function read(): Promise<void> {
    for await (const chunk of stream) {
      tail = (tail + decoder.decode(chunk, { stream: true })).slice(-rememberedLines * rememberedCharacters);
      const whole = chunk.lastIndexOf(newline) + 1;
      if (whole > 0) {
        flush();
        pass(chunk.subarray(0, whole));
      }
      if (whole === chunk.length) continue;
      held = Buffer.concat([held, chunk.subarray(whole)]);
      if (held.length >= longestHeld) flush();
      else timer ??= clock.after(unfinishedMs, flush);
    }
  }

  return {
    done: read().finally(flush),
    lastLines: () =>
      tail
        .split(/[\r\n]+/)
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .slice(-rememberedLines),
  };
}
