/*
 * A question on standard output, and one line of standard input as the answer. Whether there may be a question, and
 * what an answer leads to, is the caller's affair. Reading leaves the event loop free, so Ctrl-C ends the program as it
 * does elsewhere.
 */
import { fstatSync, read as readDescriptor } from "node:fs";
import { isatty } from "node:tty";
import { descriptor } from "../log/descriptor.ts";
import { openOutput } from "../print/output.ts";
import { showTyped } from "./echo.ts";

export interface PromptPorts {
  /** To standard output, as it stands. */
  readonly write: (text: string) => void;
  /** One line without its end; null at the end of input, and for input that cannot be read. */
  readonly readLine: () => Promise<string | null>;
  /** Whether a typed answer shows, line end and all: a terminal does that by itself. */
  readonly echoes: boolean;
}

/**
 * `end`: a terminal's end of input, to be taken as no. `absent`: the same where there is no terminal, so nobody was
 * asked. `other`: neither yes nor no, trimmed.
 */
export type Answer =
  { readonly kind: "yes" | "no" | "end" | "absent" } | { readonly kind: "other"; readonly text: string };

/**
 * Asks `question` (without a question mark), which shows what an empty line means: `QUESTION? [Y]es/no: ` or `QUESTION?
 * yes/[no]: `. The next output begins on a line of its own, however the answer came.
 */
export async function ask(question: string, fallback: "yes" | "no", ports: PromptPorts): Promise<Answer> {
  ports.write(`${question}? ${fallback === "yes" ? "[Y]es/no" : "yes/[no]"}: `);
  const line = await ports.readLine();
  if (line === null || !ports.echoes) ports.write("\n");
  if (line === null) return { kind: ports.echoes ? "end" : "absent" };
  const word = line.trim().toLowerCase();
  if (word === "") return { kind: fallback };
  if (word === "y" || word === "yes") return { kind: "yes" };
  if (word === "n" || word === "no") return { kind: "no" };
  return { kind: "other", text: line.trim() };
}

/** What is said where a question has to be asked and there is nobody to answer it. */
export const nobodyAnswers = "This asks a question and there is no terminal: repeat with --yes";

/** Standard input and output of this process. */
export function openPrompt(env: Readonly<Record<string, string | undefined>>): PromptPorts {
  const output = openOutput(1, env);
  return { write: output.write, readLine: readFromStdin, echoes: isatty(0) };
}

/**
 * One line of standard input without its end; null at the end of input. At a terminal `question` is asked on standard
 * error, and what is typed does not show.
 */
export async function readSecret(question: string): Promise<string | null> {
  if (!isatty(0)) return readFromStdin();
  const restore = (): void => showTyped(true);
  // Ctrl-C ends the program in the middle of the question.
  process.once("exit", restore);
  showTyped(false);
  try {
    descriptor(2).write(question);
    return await readFromStdin();
  } finally {
    restore();
    process.off("exit", restore);
    descriptor(2).write("\n");
  }
}

/** No answer is that long: what goes on without an end (`cat /dev/zero`) must not fill the memory. */
const longestAnswer = 4096;

async function readFromStdin(): Promise<string | null> {
  if (isFile()) return readLine(descriptorBytes);
  const reader = Bun.stdin.stream().getReader();
  try {
    return await readLine(async () => (await reader.read()).value ?? null);
  } finally {
    reader.releaseLock();
  }
}

/**
 * The first line of the bytes that `next` hands out; null or none are their end. What follows the line in the same
 * piece is lost.
 */
export async function readLine(next: () => Promise<Uint8Array | null>): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n") && text.length <= longestAnswer) {
    const bytes = await next().catch(() => null);
    if (bytes === null || bytes.length === 0) {
      if (text === "") return null;
      break;
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text.split(/\r?\n/, 1)[0]!.slice(0, longestAnswer);
}

function isFile(): boolean {
  try {
    return fstatSync(0).isFile();
  } catch {
    return false;
  }
}

/** Of a file from where a shell has read to; Bun.stdin would begin at its start. */
function descriptorBytes(): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(longestAnswer);
  return new Promise((resolve, reject) => {
    readDescriptor(0, buffer, 0, buffer.length, null, (error, length) => {
      if (error === null) resolve(buffer.subarray(0, length));
      else reject(error);
    });
  });
}
