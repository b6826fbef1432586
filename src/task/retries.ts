/*
 * Which failures are tried again, and with what: the words of `--retry-on`, `--retry-delay` and `--retry-memory`. Pure;
 * knows neither stores nor clocks.
 */
import { constants } from "node:os";
import { isFailure, sentinel } from "./task.ts";

/** What becomes of failures. */
export interface Retries {
  /** The number of attempts that a task has in all; 1: no retries. */
  readonly attempts: number;
  /** The exit statuses that are tried again; null: every failure is. */
  readonly statuses: readonly number[] | null;
  /** How many times the memory of one attempt the next one asks for, at least 1. */
  readonly memoryFactor: number;
}

/** Every failure is tried again until a task has had this many attempts. */
export function everyFailure(attempts: number): Retries {
  return { attempts, statuses: null, memoryFactor: 1 };
}

/** Whether a task is tried again that failed in this attempt (from 1) with this status. */
export function isTriedAgain({ attempts, statuses }: Retries, attempt: number, status: number): boolean {
  return attempt < attempts && isFailure(status) && (statuses === null || statuses.includes(status));
}

/**
 * The memory that the next attempt asks for, bytes, after one that asked for `memory` and failed with this status.
 * Null: it asks for none, as the one before. If no client had enough for a task, more would be even harder to find.
 */
export function memoryOfNext(memory: number | null, status: number, { memoryFactor }: Retries): number | null {
  if (memory === null || memoryFactor === 1 || status === sentinel.insufficientResources) return memory;
  return Math.min(Math.ceil(memory * memoryFactor), Number.MAX_SAFE_INTEGER);
}

/** A pause before a next attempt: the first is this long, and each later one twice as long as the one before. */
export function retryDelayMs(firstMs: number, attempt: number): number {
  return Math.min(firstMs * 2 ** (attempt - 1), Math.max(firstMs, longestDelayMs));
}

/** A pause grows to this at most, milliseconds: an hour. */
const longestDelayMs = 3_600_000;

/** The statuses of failures that are not of a program's own making, by their word in `--retry-on`. */
const words: Readonly<Record<string, number>> = {
  timeout: sentinel.overLimit,
  memory: sentinel.overMemory,
  template: sentinel.templateFailed,
  resources: sentinel.insufficientResources,
  lost: sentinel.clientLost,
};

/** What a list may have, in words. */
export const failureWords = ["exit=NUM", "exit=FROM-TO", "signal=NAME", ...Object.keys(words)].join(", ");

/** The largest number of statuses that one range may name: those of POSIX. */
const widestRange = 256;

/**
 * The statuses that a list like `exit=75,exit=10-19,signal=9,timeout,lost` names, in order; null: a word is none of
 * these.
 */
export function readRetryOn(text: string): readonly number[] | null {
  const named = new Set<number>();
  for (const part of text.split(",")) {
    const statuses = statusesOf(part.trim());
    if (statuses === null) return null;
    for (const status of statuses) named.add(status);
  }
  return [...named].toSorted((one, other) => one - other);
}

function statusesOf(word: string): readonly number[] | null {
  const status = words[word.toLowerCase()];
  if (status !== undefined) return [status];
  const [, kind, value] = /^(exit|signal)=(\S+)$/i.exec(word) ?? [];
  if (kind === undefined) return null;
  return kind.toLowerCase() === "exit" ? exits(value!) : signals(value!);
}

function exits(value: string): readonly number[] | null {
  const [, from, to] = /^([0-9]{1,10})(?:-([0-9]{1,10}))?$/.exec(value) ?? [];
  if (from === undefined) return null;
  const first = Number(from);
  const last = to === undefined ? first : Number(to);
  if (first === 0 || last < first || last >= 2 ** 32 || last - first >= widestRange) return null;
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** A program that a signal ended has status 128 + its number. */
function signals(value: string): readonly number[] | null {
  const name = value.toUpperCase().replace(/^(SIG)?/, "SIG");
  const number = /^[0-9]+$/.test(value) ? Number(value) : (constants.signals as Record<string, number>)[name];
  return number === undefined || number < 1 || number > 64 ? null : [128 + number];
}

/** The factor that `x2` or `1.5` names, from 1 to 1024; null: it is no such number. */
export function readMemoryFactor(text: string): number | null {
  const factor = /^x?[0-9]+(\.[0-9]+)?$/i.test(text) ? Number(text.replace(/^x/i, "")) : Number.NaN;
  return factor >= 1 && factor <= 1024 ? factor : null;
}
