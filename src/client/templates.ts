/*
 * The templates of a client: its own and those of submissions, each parsed once. What a template's `{% %}` needs from the system is
 * passed in; nothing here runs a process.
 */
import { expand } from "../template/expand.ts";
import { parseTemplate, type Template } from "../template/parse.ts";

/** The command of a task, or the promise of one when the template asks the shell; throws, or rejects, when expansion fails. */
export type Expansion = (
  template: string | null,
  args: string,
  shell: (command: string) => Promise<string>,
) => string | Promise<string>;

/** A client of many submissions keeps this many templates. */
const mostTemplates = 256;

/** `own` is for tasks whose submission has none; null: `{}`. A malformed one throws a UserError at once. */
export function expansion(own: string | null): Expansion {
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
    return template === null ? args : expand(template, args, shell);
  };
}
