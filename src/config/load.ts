/* The merged configuration. (Contract; implementation follows.) */
import type { TagValue } from "../task/task.ts";

export type SiteName = "system" | "user" | "local";
export type Origin = "default" | "preload" | SiteName | "env";

/** Typed access to one merged configuration; keys are those of config/schema.ts. `_env` and `_eval` forms are resolved when read. */
export interface Config {
  text(key: string): string | null;
  integer(key: string): number | null;
  number(key: string): number | null;
  boolean(key: string): boolean;
  /** The value as it stands: text, number, list, table or null. */
  raw(key: string): unknown;
  origin(key: string): { readonly source: Origin; readonly label: string };
  /** Variables for tasks: HYPERSHELL_EXPORT_* as they are, [export] keys upper-cased. */
  exports(): Readonly<Record<string, string>>;
  /** Folders of the default site. */
  readonly site: { readonly lib: string; readonly log: string; readonly config: string };
  /** Lines to log as WARNING (unknown keys). */
  readonly warnings: readonly string[];
}

export type { TagValue };
