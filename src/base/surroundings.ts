/*
 * What expansion needs from outside, passed in by whoever runs it: this room itself does no I/O, reads no clock and no environment.
 */

export interface FileFacts {
  readonly type: "file" | "folder" | "other";
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** Of a command of `{% %}` that has ended. */
export interface ShellOutput {
  /** 0 to 255, 128 + signal number, or as the shell says. */
  readonly status: number;
  readonly output: string;
}

export interface Surroundings {
  /** Milliseconds since 1970; `dt.datetime.now()`. */
  now(): number;
  /** Null when there is none; `os.environ`. */
  environment(name: string): string | null;
  /** Null when there is no such file (links are followed); `path.exists` and its like. */
  file(path: string): FileFacts | null;
  /** Runs a command line in the shell; rejects only when no shell can be started. */
  shell(command: string): Promise<ShellOutput>;
}
