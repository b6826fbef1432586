/*
 * The templates of a client, its own and those of submissions, each parsed once. Their patterns may ask the system for
 * files, the time and the environment, and for commands through a function that is passed in.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { lineText } from "../base/wordlist.ts";
import { expand } from "../template/expand.ts";
import { parseTemplate, type Template } from "../template/parse.ts";
import type { ShellOutput, System } from "../base/system.ts";

type Shell = (command: string) => Promise<ShellOutput>;

/**
 * Makes the command of a task, or the promise of one when the template asks the shell. Throws, or rejects, when
 * expansion fails.
 */
export type Expansion = (template: string | null, args: string, shell: Shell) => string | Promise<string>;

/** The largest number of templates that are kept parsed. A full table starts anew. */
const mostTemplates = 256;

/**
 * Makes the expansion of a client. `own` is the template of tasks whose submission has none; null: `{}`. Throws a
 * UserError when it is malformed.
 */
export function expansion(own: string | null, system: System): Expansion {
  const parsed = new Map<string, Template>();
  const ownParsed = own === null ? null : parseTemplate(own);

  function parse(text: string): Template {
    const known = parsed.get(text);
    if (known !== undefined) return known;
    if (parsed.size >= mostTemplates) parsed.clear();
    const template = parseTemplate(text);
    parsed.set(text, template);
    return template;
  }

  return (text, args, shell) => {
    const template = text === null ? ownParsed : parse(text);
    return template === null ? lineText(args) : expand(template, args, { ...system, shell });
  };
}

/** What a template can ask about files. Names are relative to the folder in which tasks run. */
export function fileFacts(cwd: string): System["file"] {
  return (path) => {
    try {
      const facts = statSync(resolve(cwd, path));
      const type = facts.isFile() ? "file" : facts.isDirectory() ? "folder" : "other";
      return { type, bytes: facts.size, modifiedAt: facts.mtimeMs };
    } catch {
      // For a template, a file that may not be seen is the same as one that is not there.
      return null;
    }
  };
}
