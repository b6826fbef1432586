/*
 * Whether what came out is what a page shows. `...` stands for anything, on a line of its own for any number of lines;
 * an id (a UUID) for any id. Blanks at the ends of lines do not count.
 */

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/** What of a text does not show: colours, carriage returns, blanks at the ends of lines. */
function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  const shown = text.replace(/\u001b\[[0-9;]*m/g, "").replaceAll("\r", "");
  return shown.replace(/[ \t]+$/gm, "").replace(/\n*$/, "\n");
}

/** A shown text as a pattern of what it stands for. */
function patternOf(shown: string): string {
  const escaped = shown.replace(/[\\^$*+?()[\]{}|]/g, String.raw`\$&`);
  return escaped
    .replace(new RegExp(uuid, "g"), uuid)
    .replace(/^\.\.\.\n/gm, "\u0001")
    .replaceAll("...", "\u0002")
    .replaceAll(".", String.raw`\.`)
    .replaceAll("\u0001", String.raw`(?:.*\n)*?`)
    .replaceAll("\u0002", "[^]*?");
}

/** Whether a page that shows `expected` tells the truth about `actual`. */
export function isShown(expected: string, actual: string, anyOrder: boolean): boolean {
  const [shown, printed] = [plain(expected), plain(actual)];
  if (!anyOrder) return new RegExp(`^${patternOf(shown)}$`).test(printed);
  const left = printed.split("\n");
  const patterns = shown.split("\n").map((line) => new RegExp(`^${patternOf(line)}$`));
  for (const pattern of patterns) {
    const found = left.findIndex((line) => pattern.test(line));
    if (found < 0) return false;
    left.splice(found, 1);
  }
  return left.length === 0;
}
