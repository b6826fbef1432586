/*
 * Where the output of tasks goes: files for all tasks, files for each task, or the client's own output. Bytes of tasks
 * never pass through this program: it opens files and hands them to the processes. Files are opened for appending, so
 * that several processes can write to one. Knows no processes.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { runtimeError } from "../base/errors.ts";
import { fileMode, folderMode } from "../base/modes.ts";
import { failureReason } from "../base/paths.ts";

/** The numbers of the files that all tasks share. Null: tasks inherit the client's own output. */
export interface Outputs {
  readonly output: number | null;
  readonly errors: number | null;
  close(): void;
}

const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } = constants;

/** Creates or truncates a file of captured output. Throws the errors of the file system. */
export function openFresh(path: string): number {
  return openTruncated(path, fileMode());
}

/** The same for a file whose name the user has chosen, as after `>` in a shell. */
export function openNamed(path: string): number {
  return openTruncated(path, 0o666);
}

function openTruncated(path: string, mode: number): number {
  return openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode);
}

/** Opens a file of captured output once more, to add to it. Throws the errors of the file system. */
export function openAppended(path: string): number {
  return openSync(path, O_WRONLY | O_APPEND);
}

/** Opens the files that all tasks share. Throws a UserError when one cannot be written. */
export function openShared(outputPath: string | null, errorsPath: string | null): Outputs {
  const output = outputPath === null ? null : openOrBlame(outputPath, "output");
  let errors: number | null = null;
  try {
    // If both names are the same, the file is opened, and so truncated, only once.
    if (errorsPath !== null) errors = errorsPath === outputPath ? output : openOrBlame(errorsPath, "errors");
  } catch (error) {
    if (output !== null) closeSync(output);
    throw error;
  }
  return {
    output,
    errors,
    close() {
      if (output !== null) closeSync(output);
      if (errors !== null && errors !== output) closeSync(errors);
    },
  };
}

function openOrBlame(path: string, what: string): number {
  try {
    return openNamed(path);
  } catch (error) {
    throw runtimeError("client", `Cannot write task ${what} to "${path}": ${failureReason(error)}`);
  }
}

/**
 * Makes sure that files of tasks can be created in this folder, which has this mode if it is new. Throws a UserError
 * when they cannot.
 */
export function prepareFolder(folder: string, mode: number = folderMode()): void {
  try {
    mkdirSync(folder, { recursive: true, mode });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw runtimeError("client", `Cannot write files of tasks to folder "${folder}": ${failureReason(error)}`);
  }
}

/**
 * Removes those captured files of a task that are empty, and answers which, unless the task has left processes behind
 * (`isWritten`) that may still write to them.
 */
export function removeEmpty(paths: readonly string[], isWritten: () => boolean): readonly string[] {
  try {
    const empty = paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.size === 0);
    if (empty.length === 0 || isWritten()) return [];
    for (const path of empty) rmSync(path, { force: true });
    return empty;
  } catch {
    // A folder that is out of reach just now: the files stay, and stay recorded.
    return [];
  }
}
