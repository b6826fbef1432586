/*
 * Numbers that JavaScript would print in another way than they were written: `1.0`, and what other programs have
 * stored, such as `1e+16` or more digits than a number holds. Tags keep them as they are. Knows nothing of tags.
 */

/** A number with its own form. Its text is a number in JSON. */
export class WrittenNumber {
  readonly value: number;
  readonly text: string;

  constructor(text: string) {
    this.text = text;
    this.value = Number(text);
  }

  /** The text, such as for the variables of a task. */
  toString(): string {
    return this.text;
  }

  /** JSON.stringify writes the number in its form. */
  toJSON(): unknown {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.text);
  }
}

/** Texts of JSON that may hold such a number. Most do not, and are read without looking at each value. */
const mayHold = /\d\.\d*0(?![\d])|\d[eE][-+]?\d|\d{16}/;

/**
 * JSON.parse, but numbers in a form of their own come as a WrittenNumber.
 * Throws SyntaxError for a text that is not JSON.
 */
export function parseWritten(text: string): unknown {
  return mayHold.test(text) ? JSON.parse(text, keepForm) : JSON.parse(text);
}

/** For JSON.parse: keeps a number whose form JavaScript would change. */
export function keepForm(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (source === undefined || typeof value !== "number" || !Number.isFinite(value)) return value;
  return `${value}` === source ? value : new WrittenNumber(source);
}
