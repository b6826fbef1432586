/*
 * Keys of what a terminal sends: characters as they are, others by name. Source: ECMA-48 and the sequences of xterm,
 * which tmux, screen and the terminals of today send.
 */

/** A character, or one of the names below. */
export type Key = string;

const finals: Readonly<Record<string, Key>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
  Z: "backtab",
};

const numbered: Readonly<Record<string, Key>> = {
  "1": "home",
  "7": "home",
  "4": "end",
  "8": "end",
  "3": "delete",
  "5": "pageup",
  "6": "pagedown",
};

const controls: Readonly<Record<string, Key>> = {
  "\t": "tab",
  "\r": "enter",
  "\n": "enter",
  "\u0008": "backspace",
  "\u007f": "backspace",
};

export interface Decoded {
  readonly keys: readonly Key[];
  /** The beginning of a sequence whose rest has not come. */
  readonly rest: string;
}

const sequence = /^\u001b(?:\[([0-9;?]*)([@-~])|O([A-Za-z]))/;
const begun = /^\u001b(?:\[[0-9;?]*|O)?$/;

/**
 * The keys in a piece of input. `isAll`: nothing follows, so that a lone escape is the key of that name. A sequence
 * that means no key is left out.
 */
export function decodeKeys(input: string, isAll: boolean): Decoded {
  const keys: Key[] = [];
  let at = 0;
  while (at < input.length) {
    const left = input.slice(at);
    if (!left.startsWith("\u001b")) {
      const char = String.fromCodePoint(left.codePointAt(0)!);
      keys.push(nameOf(char));
      at += char.length;
      continue;
    }
    const match = sequence.exec(left);
    if (match !== null) {
      const [whole, parameters = "", final = "", single = ""] = match;
      const key = final === "~" ? numbered[parameters.split(";", 1)[0]!] : finals[final || single];
      if (key !== undefined) keys.push(key);
      at += whole.length;
      continue;
    }
    if (!isAll && begun.test(left)) return { keys, rest: left };
    keys.push("escape");
    at += 1;
  }
  return { keys, rest: "" };
}

function nameOf(char: string): Key {
  const named = controls[char];
  if (named !== undefined) return named;
  const code = char.codePointAt(0)!;
  return code < 32 ? `ctrl-${String.fromCodePoint(code + 96)}` : char;
}
