/*
 * Whether anybody still reads what is written to a descriptor of this process. Tasks inherit standard output and
 * standard error, so that others may write to them than this process, which then never learns of a reader that has
 * gone.
 */
import { fstatSync } from "node:fs";
import { openLibc } from "./libc.ts";

/** Of `poll`: an error, and a connection that is closed in both directions. Linux and macOS agree on the numbers. */
const pollErr = 0x8;
const pollHup = 0x10;
/** There is something to read. */
const pollIn = 0x1;
/** There is room to write. */
const pollOut = 0x4;

const openPoll = () => openLibc({ poll: { args: ["ptr", "u64", "i32"], returns: "i32" } });
/** `library` null: there is none here. All of it null: it was not looked for yet. */
let known: { readonly library: ReturnType<typeof openPoll> } | null = null;

/** Whether a descriptor is a pipe or a socket, whose reader may go. False where it is closed, or on Windows. */
export function isPiped(descriptor: number): boolean {
  try {
    const facts = fstatSync(descriptor);
    return process.platform !== "win32" && (facts.isFIFO() || facts.isSocket());
  } catch {
    return false;
  }
}

/** Whether a descriptor is a pipe or a socket that nobody reads any more: whoever writes to it gets SIGPIPE. */
export function isUnread(descriptor: number): boolean {
  return isPiped(descriptor) && ((poll(descriptor, 0) ?? 0) & (pollErr | pollHup)) !== 0;
}

/** Whether a write to a descriptor is answered at once, by room or by an error; true where that cannot be told. */
export function mayWrite(descriptor: number): boolean {
  return poll(descriptor, pollOut) !== 0;
}

/** Whether a pipe has bytes that nobody has read yet; false where that cannot be told. */
export function hasInput(descriptor: number): boolean {
  return ((poll(descriptor, pollIn) ?? 0) & pollIn) !== 0;
}

/** What is true of a descriptor now, of `events` and of what is always told; null: that cannot be asked here. */
function poll(descriptor: number, events: number): number | null {
  known ??= { library: openPoll() };
  if (known.library === null) return null;
  // struct pollfd: int fd, short events, short revents
  const asked = new DataView(new ArrayBuffer(8));
  const isLittle = true;
  asked.setInt32(0, descriptor, isLittle);
  asked.setInt16(4, events, isLittle);
  known.library.poll(new Uint8Array(asked.buffer), 1, 0);
  return asked.getInt16(6, isLittle);
}
