import { expect, test } from "bun:test";
import { decodeKeys } from "../../../src/top/keys.ts";
import { press, type Pressed } from "../../../src/top/press.ts";
import {
  append,
  begin,
  earlierQuery,
  linesIn,
  nextQuery,
  prepend,
  readingKey,
  topOf,
} from "../../../src/top/reading.ts";
import type { TopState } from "../../../src/top/state.ts";
import { stateOf, taskOf, viewOf } from "./views.ts";

const size = { columns: 80, rows: 24 };

/** The state after some keys, and what the last one asks for. */
function after(keys: readonly string[], state: TopState = stateOf(size)): Pressed {
  return keys.reduce<Pressed>((pressed, key) => press(pressed.state, key), { state, effects: [] });
}

test("keys are characters, names, and what is left of a sequence that comes in pieces", () => {
  expect(decodeKeys("q\u001b[A\u001bOB\u001b[6~é\r\u0003\u007f", false)).toEqual({
    keys: ["q", "up", "down", "pagedown", "é", "enter", "ctrl-c", "backspace"],
    rest: "",
  });
  expect(decodeKeys("a\u001b[", false)).toEqual({ keys: ["a"], rest: "\u001b[" });
  expect(decodeKeys("\u001b", true).keys).toEqual(["escape"]);
  expect(decodeKeys("\u001b[200~", false)).toEqual({ keys: [], rest: "" });
});

test("nothing is cancelled or reverted without a y", () => {
  const { state, effects } = after(["down", "c"]);
  expect(effects).toEqual([]);
  expect(state.question).toEqual({ action: "cancel", ids: [taskOf(2).id] });
  expect(after(["n"], state)).toMatchObject({ effects: [], state: { question: null } });
  expect(after(["y"], state).effects).toEqual([{ kind: "act", action: "cancel", ids: [taskOf(2).id] }]);
});

test("marked tasks are meant before the selected one", () => {
  const { state } = after([" ", " ", "r"]);
  expect(state.question).toEqual({ action: "revert", ids: [taskOf(1).id, taskOf(2).id] });
});

test("the selection stays with its task when rows come and go", () => {
  const { state } = after(["down", "down"]);
  const moved = { ...state, view: viewOf({ running: [4, 3, 2, 1].map((number) => taskOf(number)) }) };
  expect(after(["o"], moved).state.reading?.task.id).toBe(taskOf(3).id);
  const without = { ...state, view: viewOf({ running: [1, 2].map((number) => taskOf(number)) }) };
  expect(after(["o"], without).state.reading?.task.id).toBe(taskOf(2).id);
});

test("a filter holds when it is entered, not while it is typed, and keys are text meanwhile", () => {
  const typed = after(["/", "q", "c", "x", "backspace"]);
  expect(typed.state).toMatchObject({ typed: "qc", filter: "" });
  expect(after(["escape"], typed.state).state).toMatchObject({ typed: null, filter: "" });
  const entered = after(["enter"], typed.state);
  expect(entered).toMatchObject({ state: { filter: "qc", typed: null }, effects: [{ kind: "look" }] });
  expect(after(["escape"], entered.state).state.filter).toBe("");
});

test("q and Ctrl-C leave, and q leaves a page first", () => {
  expect(after(["q"]).effects).toEqual([{ kind: "quit" }]);
  expect(after(["/", "ctrl-c"]).effects).toEqual([{ kind: "quit" }]);
  expect(after(["o", "q"])).toMatchObject({ effects: [], state: { page: "lists", reading: null } });
  expect(after(["?", "q"])).toMatchObject({ effects: [], state: { page: "lists" } });
});

test("a client has no output: its tasks are shown, and nothing of it can be cancelled", () => {
  expect(after(["1", "enter"])).toMatchObject({ state: { filter: "node01", focus: "running" } });
  expect(after(["1", "c"]).state).toMatchObject({ question: null, message: { isBad: true } });
});

test("pieces of output become lines, from the end on, and earlier ones are put before them", () => {
  let reading = begin(taskOf(1), "stdout");
  expect(nextQuery(reading)).toMatchObject({ from: -32_768 });
  reading = append(reading, { text: "ree\nfour", next: 18, more: false, over: false });
  reading = append(reading, { text: " more\n", next: 24, more: false, over: true });
  expect(reading).toMatchObject({ lines: ["ree", "four more", ""], from: 10, over: true });
  const query = earlierQuery(reading)!;
  expect(query).toMatchObject({ from: 0, most: 10 });
  const whole = prepend(reading, query, { text: "one\ntwo\nth", next: 10, more: true, over: true });
  expect(whole.lines).toEqual(["one", "two", "three", "four more", ""]);
  expect(earlierQuery(whole)).toBeNull();
});

test("an output follows its end until somebody goes up", () => {
  const lines = Array.from({ length: 50 }, (_, index) => `${index}`);
  const reading = { ...begin(taskOf(1), "stdout"), from: 0, lines: [...lines, ""] };
  expect(topOf(reading, 10)).toBe(40);
  const up = readingKey(reading, "pageup", 10).reading;
  expect(up).toMatchObject({ top: 30, follows: false });
  const grown = append(up, { text: "new\n", next: 1, more: false, over: false });
  expect([topOf(grown, 10), linesIn(grown)]).toEqual([30, 51]);
  expect(topOf(readingKey(grown, "G", 10).reading, 10)).toBe(41);
  expect(readingKey({ ...reading, from: 100 }, "g", 10).effect).toBe("earlier");
});
