/*
 * `hs init`: makes a folder a project, with settings, a database and captured output of its own. What a project is, and
 * how it is found, is in config/project.ts.
 */
import { join, resolve } from "node:path";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { exitStatus, runtimeError } from "../base/errors.ts";
import { makeProject, projectFolder } from "../config/project.ts";
import { findSites } from "../config/site.ts";
import { openOutput, type Output } from "../print/output.ts";
import type { Command, Context } from "./command.ts";

const spec = {
  name: "hs init",
  summary:
    "Makes a folder a project: with settings, a database and captured output of its own, used by every command in it " +
    "and below.",
  usage: ["hs init [DIR]"],
  positionals: [
    {
      key: "folder",
      metavar: "DIR",
      value: "folder",
      min: 0,
      max: 1,
      help: "The folder; made if it is not there. (default: this one)",
    },
  ],
  sections: [],
  exclusive: [],
  epilog: [
    "All of it is in DIR/.hypershell: config.toml (hs config set --local KEY VALUE), lib/main.db, lib/task, log. " +
      "Remove that folder, and",
    "the project is gone. To make one where there is one already changes nothing.",
    "",
    "Commands name the project in one line. The settings of the user and of the system hold in it too where it " +
      "has none of its own, except",
    "those of the database. HYPERSHELL_SITE and HYPERSHELL_DATABASE_* come first. A project counts for its owner " +
      "only, and only as long as",
    "nobody else can write its .hypershell or put another in its place.",
    "",
    "Examples:",
    "  hs init                        here",
    "  hs init ~/runs/2027            a folder of its own for each year",
    "  hs config set --local server.attempts 3",
    "",
    "Exit status: 0 success, 2 bad argument, 5 the folder cannot be made, or is the one of your own site.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = {
  spec,
  bare: "run",
  run: async (parsed: Words, context) => init(parsed.text("folder") ?? ".", context, openOutput(1, context.env)),
};

/** Makes the project and says so. Throws a UserError when it cannot be made. */
export function init(
  folder: string,
  { env, cwd }: Pick<Context, "env" | "cwd">,
  output: Pick<Output, "write">,
): number {
  const path = resolve(cwd, folder);
  const site = join(path, projectFolder);
  const { user, named, project: outer } = findSites(env, path);
  if (user.config === join(site, "config.toml"))
    throw runtimeError("init", `${site} is your own site: it is used wherever there is no project`);
  const isNew = makeProject(path);
  output.write(`${isNew ? "Made the project" : "There is a project already:"} ${site}\n`);
  if (outer !== null && outer !== path)
    output.write(`It is in the project ${outer}, whose settings and database are not used here\n`);
  if (named !== null) output.write(`HYPERSHELL_SITE is set and comes first: ${named}\n`);
  return exitStatus.success;
}
