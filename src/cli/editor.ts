/*
 * The user's editor: the words that call it, and running it on a file until it ends.
 */
import { statSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import { systemProgram } from "../base/command-shell.ts";
import type { Environment } from "../base/variables.ts";
import { splitWordsAnyway } from "../base/shell.ts";
import type { Context } from "./command.ts";

/**
 * The words of EDITOR as a shell would see them. A program whose path has blanks may stand there as it is.
 */
export function editorWords(editor: string): string[] {
  if (statSync(editor, { throwIfNoEntry: false })?.isFile() === true) return [editor];
  // On Windows a backslash separates folders.
  return splitWordsAnyway(editor, process.platform !== "win32");
}

/**
 * The editor of who has chosen none: vi, or nano, if one of them is on the PATH of `env`; that of Windows there. Null:
 * there is none.
 */
export function usualEditor(env: Environment, platform: NodeJS.Platform = process.platform): string | null {
  const path = env["PATH"];
  if (platform === "win32") return systemProgram(env, "notepad.exe");
  // Without a path Bun would look along its own.
  if (path === undefined || path === "") return null;
  const options = { PATH: path };
  return Bun.which("vi", options) ?? Bun.which("nano", options);
}

/** Runs it and waits; why it failed, or null. */
export async function runEditor(
  words: readonly string[],
  file: string,
  { env, cwd }: Pick<Context, "env" | "cwd">,
): Promise<string | null> {
  // Ctrl-C in an editor is the editor's.
  const ignore = (): void => {};
  process.on("SIGINT", ignore);
  try {
    const child = Bun.spawn([...words, file], {
      cwd,
      env: { ...env },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    });
    const status = await child.exited;
    if (child.signalCode !== null) return `was ended by ${child.signalCode}`;
    return status === 0 ? null : `ended with status ${status}`;
  } catch (thrown) {
    return `could not be started: ${messageOf(thrown)}`;
  } finally {
    process.off("SIGINT", ignore);
  }
}
