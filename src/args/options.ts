/*
 * The options that several commands have in common and that mean the same in each. What differs stands with its
 * command.
 */
import type { Option } from "./spec.ts";

export const noConfirmOption: Option = {
  key: "noConfirm",
  names: ["--no-confirm"],
  kind: "flag",
  help: "Accepted, changes nothing: receipts cost nothing here and stay on.",
};

/** Where the output of tasks goes. */
export const outputOptions: readonly Option[] = [
  {
    key: "capture",
    names: ["--capture"],
    kind: "flag",
    help: "One .out and one .err file per task, under lib/task of the site.",
  },
  {
    key: "output",
    names: ["-o", "--output"],
    kind: "text",
    metavar: "PATH",
    help: "Standard output of all tasks into one file.",
    fallback: "stdout",
  },
  {
    key: "errors",
    names: ["-e", "--errors"],
    kind: "text",
    metavar: "PATH",
    help: "Standard error of all tasks into one file.",
    fallback: "stderr",
  },
];

export const signalWaitOption: Option = {
  key: "signalWait",
  names: ["-S", "--signalwait"],
  kind: "seconds",
  metavar: "SEC",
  min: 0,
  help: "Pause between SIGINT, SIGTERM and SIGKILL for a task that must end.",
  fallback: "10",
};

/** What is tried again, and before what. */
export const retryOptions: readonly Option[] = [
  {
    key: "retries",
    names: ["-r", "--max-retries"],
    kind: "integer",
    metavar: "NUM",
    min: 0,
    help: "Try a failed task again, this many times.",
    fallback: "0, or server.attempts less one",
  },
  { key: "eager", names: ["--eager"], kind: "flag", help: "Try failed tasks again before new ones." },
];

export const pollOption: Option = {
  key: "poll",
  names: ["-Q", "--poll"],
  kind: "seconds",
  metavar: "SEC",
  min: 1,
  help: "Longest pause between two looks at the database when idle.",
  fallback: "30",
};

export const databaseOptions: readonly Option[] = [
  {
    key: "noDb",
    names: ["--no-db"],
    kind: "flag",
    help: "Keep nothing: tasks live in memory for this run only.",
  },
  {
    key: "initdb",
    names: ["--initdb"],
    kind: "flag",
    help: "Create missing tables first (PostgreSQL; in an SQLite file they are made anyway).",
  },
];
