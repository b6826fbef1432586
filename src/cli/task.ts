/*
 * `hs task`: the names under which some commands could be called in former times, for scripts. `hs task submit` is the
 * one that differs: it prints the id of the task, and nothing else.
 */
import { exitStatus } from "../base/errors.ts";
import { taskFields } from "../task/field.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openOutput } from "../print/output.ts";

const spec = {
  name: "hs task",
  summary: "Former names of commands: submit, info, wait, run, search (now hs list), update.",
  usage: ["hs task COMMAND [ARGS...]", "hs task --list-columns"],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "listColumns",
          names: ["--list-columns"],
          kind: "flag",
          help: "Print the names of all fields and stop.",
        },
      ],
    },
  ],
  exclusive: [],
  epilog: "Exit status: 0 success, 1 called without arguments, 2 bad argument; else that of the command.",
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = {
  spec,
  bare: "usage",
  async run(parsed: Words, context) {
    if (parsed.flag("listColumns")) openOutput(1, context.env).write(`${taskFields.join(" ")}\n`);
    return exitStatus.success;
  },
};

const submitSpec = {
  name: "hs task submit",
  summary: "Adds one command to the database, and prints the id of the task.",
  usage: ["hs task submit [-t TAG...] -- ARGS..."],
  positionals: [
    {
      key: "args",
      metavar: "ARGS",
      value: "command",
      min: 1,
      max: Infinity,
      help: "The command, after -- if it has options.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "tag",
          names: ["-t", "--tag"],
          value: "tag",
          kind: "words",
          metavar: "TAG",
          help: "Tags: key, or key:value; group:2 cores:4 memory:2GB timeout:10m are settings, no tags.",
        },
      ],
    },
  ],
  exclusive: [],
  epilog: "Exit status: 0 the task is stored, 2 bad argument, 3 no database, 5 failure.",
} as const satisfies CommandSpec;

type SubmitWords = Parsed<typeof submitSpec>;

export const taskSubmit: Command = {
  spec: submitSpec,
  bare: "usage",
  async run(parsed: SubmitWords, context) {
    const { submitCommand } = await import("./submitting.ts");
    const id = await submitCommand(parsed.words("args"), parsed.words("tag"), context);
    openOutput(1, context.env).write(`${id}\n`);
    return exitStatus.success;
  },
};
