/*
 * The contract of what takes the output of tasks where it is printed line by line or task by task: a printer in this
 * process, or the way to a server that prints. Knows no processes.
 */
import type { Assignment } from "../task/task.ts";
import type { Lease, PrintUnit } from "../wire/message.ts";

export interface Sink {
  /** What is taken; null: nothing, so that tasks write where this process does. A server may tell only later. */
  readonly unit: PrintUnit | null;
  /** Tells to which descriptors tasks would write without it. */
  opened(stdout: number, stderr: number): void;
  /** A new file to which a task may write. Throws the errors of the file system. */
  openFile(): number;
  /** A run is over that has written to these files, which belong to the sink from now on. */
  take(run: Lease, stdout: number, stderr: number): void;
  /** A piece of what a task prints. `from`: how many bytes of the stream came before. */
  add(task: Assignment, stream: "stdout" | "stderr", from: number, bytes: Uint8Array): void;
  /** Whether so much waits that no more should come. */
  isFull(): boolean;
  /** Calls this when there is room, perhaps at once. */
  whenRoom(go: () => void): void;
}
