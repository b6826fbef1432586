/*
 * The templates of a client, its own and those of submissions, each parsed once; and what their patterns may ask of the system: files,
 * time and environment here, commands through a function that is passed in.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { expand } from "../template/expand.ts";
import { parseTemplate, type Template } from "../template/parse.ts";
import type { ShellOutput, System } from "../base/system.ts";

type Shell = (command: string) => Promise<ShellOutput>;

/** The command of a task, or the promise of one when the template asks the shell; throws, or rejects, when expansion fails. */
export type Expansion = (template: string | null, args: string, shell: Shell) => string | Promise<string>;

/** A client of many submissions keeps this many templates. */
const mostTemplates = 256;

/** `own` is for tasks whose submission has none; null: `{}`. A malformed one throws a UserError at once. */
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
    return template === null ? args : expand(template, args, { ...system, shell });
  };
}

/** What a template sees of files, relative to the folder in which tasks run. */
export function fileFacts(cwd: string): System["file"] {
  return (path) => {
    try {
      const facts = statSync(resolve(cwd, path));
      const type = facts.isFile() ? "file" : facts.isDirectory() ? "folder" : "other";
      return { type, bytes: facts.size, modifiedAt: facts.mtimeMs };
    } catch {
      // Not there, or not to be seen: the same to a template.
      return null;
    }
  };
}
