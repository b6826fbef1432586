/*
 * The live line as text, for any width, and the line at the end. What does not fit is left out, the least important
 * first, and nothing is ever longer than it may be. Only ASCII, and no escape sequences. Pure.
 */
import { counted } from "../base/units.ts";
import type { Sight } from "./sight.ts";

/** What is known of the speed: things in a second, and seconds until all is done; null: nobody can tell. */
export interface Speed {
  readonly rate: number | null;
  readonly secondsLeft: number | null;
}

/** `1,234,567`. */
export function grouped(number: number): string {
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** How long something takes, seconds, by its two largest units: `2.3 s`, `15 s`, `4 min`, `3 h 20 min`, `5 d 2 h`. */
export function spanText(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return coarse(seconds);
}

function coarse(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? "" : ` ${minutes % 60} min`}`;
  const hours = Math.round(seconds / 3600);
  return `${grouped(Math.floor(hours / 24))} d${hours % 24 === 0 ? "" : ` ${hours % 24} h`}`;
}

/** Things in a second: `3.2/s`, `1,234/s`; where they are few, in a minute or an hour. */
export function rateText(rate: number): string {
  if (rate >= 99.95) return `${grouped(Math.round(rate))}/s`;
  if (rate >= 0.995) return `${rate.toFixed(1)}/s`;
  if (rate * 60 >= 0.995) return `${(rate * 60).toFixed(1)}/min`;
  return `${(rate * 3600).toFixed(1)}/h`;
}

/** A part of the line; those with the lowest worth go first where there is no room. */
interface Part {
  readonly text: string;
  readonly worth: number;
}

const barCells = 20;
/** From how many columns on there is a bar. */
const barFrom = 100;

/** The live line in at most `width` characters. */
export function lineText(seen: Sight, speed: Speed, width: number): string {
  const parts = partsOf(seen, speed, width);
  while (parts.length > 1 && lengthOf(parts) > width) {
    const least = parts.reduce((low, part) => (part.worth < low.worth ? part : low));
    parts.splice(parts.indexOf(least), 1);
  }
  const text = joined(parts);
  if (text.length <= width) return text;
  return (shorter(seen).find((short) => short.length <= width) ?? text).slice(0, Math.max(0, width));
}

function partsOf(seen: Sight, { rate, secondsLeft }: Speed, width: number): Part[] {
  const { failed, cancelled, running, clients, note } = seen;
  const bar = width >= barFrom ? barOf(seen) : null;
  const all: readonly (Part | null)[] = [
    // What it waits for is why nothing else moves.
    note === null ? null : { text: note, worth: 9 },
    seen.done === null ? null : { text: doneText(seen), worth: 10 },
    failed === 0 ? null : { text: `${grouped(failed)} failed`, worth: 8 },
    cancelled === 0 ? null : { text: `${grouped(cancelled)} cancelled`, worth: 3 },
    running === null || (running === 0 && note !== null) ? null : { text: `${grouped(running)} running`, worth: 6 },
    rate === null ? null : { text: rateText(rate), worth: 5 },
    secondsLeft === null ? null : { text: `${coarse(secondsLeft)} left`, worth: 7 },
    clients === null || (clients === 0 && note !== null) ? null : { text: counted(clients, "client"), worth: 4 },
    bar === null ? null : { text: bar, worth: 1 },
  ];
  return all.filter((part): part is Part => part !== null);
}

function joined(parts: readonly Part[]): string {
  return parts.map(({ text }) => text).join(", ");
}

function lengthOf(parts: readonly Part[]): number {
  return joined(parts).length;
}

function doneText({ done, total, isOpen, verb }: Sight): string {
  return total === null
    ? `${grouped(done ?? 0)} ${verb}`
    : `${grouped(done ?? 0)} of ${grouped(total)}${isOpen ? "+" : ""} ${verb}`;
}

/** Shorter ways to say the first part, the best first. */
function shorter({ done, total, isOpen, note }: Sight): readonly string[] {
  if (done === null) return note === null ? [] : [note.slice(0, 20)];
  if (total === null) return [grouped(done), String(done)];
  const percent = isOpen || total === 0 ? [] : [percentOf(done, total)];
  return [`${grouped(done)}/${grouped(total)}`, `${done}/${total}`, ...percent];
}

/** Whole percents, and 100 only when all is done. */
function percentOf(done: number, total: number): string {
  return `${Math.min(Math.floor((done / total) * 100), 100)}%`;
}

function barOf({ done, total, isOpen }: Sight): string | null {
  if (done === null || total === null || total === 0 || isOpen) return null;
  const cells = Math.min(barCells, Math.floor((done / total) * barCells));
  return `[${"#".repeat(cells)}${"-".repeat(barCells - cells)}] ${percentOf(done, total)}`;
}

/**
 * All of it in one line, when it is over: `4 done, 1 failed, 2.3 s, 1.7 tasks/s`. `elapsedMs`: how long it took,
 * milliseconds. Null: nothing was counted.
 */
export function summaryText({ done, failed, cancelled, verb }: Sight, elapsedMs: number): string | null {
  if (done === null) return null;
  const seconds = elapsedMs / 1000;
  const parts = [`${grouped(done)} ${verb}`];
  if (failed > 0) parts.push(`${grouped(failed)} failed`);
  if (cancelled > 0) parts.push(`${grouped(cancelled)} cancelled`);
  parts.push(spanText(seconds));
  if (done > 0 && seconds > 0) parts.push(rateText(done / seconds).replace("/", " tasks/"));
  return parts.join(", ");
}
