/*
 * What templates and expressions may ask of the system, passed in by whoever runs them: they do no I/O, and read
 * neither clock nor environment, themselves.
 */
import type { PathRules } from "./ospath.ts";

export interface FileFacts {
  readonly type: "file" | "folder" | "other";
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** What a command of `{% %}` came to. */
export interface ShellOutput {
  /** 0 to 255, 128 + signal number, or as the shell says. */
  readonly status: number;
  readonly output: string;
}

export interface System {
  /** How paths are written there; the path patterns of templates, `path.join` and its like. */
  readonly paths: PathRules;
  /** A word quoted for the shell that gets what comes of the template; `Q`, `quote(x)`. */
  readonly quote: (word: string) => string;
  /** Milliseconds since 1970; `dt.datetime.now()`. */
  now(): number;
  /** Null when there is none; `os.environ`. */
  environment(name: string): string | null;
  /** Null when there is no such file (links are followed); `path.exists` and its like. */
  file(path: string): FileFacts | null;
}

export interface SystemWithShell extends System {
  /** Runs a command line in the shell; rejects only when no shell can be started. */
  shell(command: string): Promise<ShellOutput>;
}
