import { describe, expect, test } from "bun:test";
import { describeFailure } from "../../../src/task/failure.ts";

const failed = { id: "1", exitStatus: 3, line: "exit 3", errpath: null, host: null };

describe("a failure line", () => {
  test("has the status, the task, its line, and where its standard error is", () => {
    expect(describeFailure(failed)).toBe("Non-zero exit status (3) for task (1): exit 3");
    expect(describeFailure({ ...failed, errpath: "/a/1.err" })).toBe(
      "Non-zero exit status (3) for task (1): exit 3 (stderr: /a/1.err)",
    );
    expect(describeFailure({ ...failed, errpath: "/a/1.err", host: "n1" })).toEndWith(" (stderr: n1:/a/1.err)");
    expect(describeFailure({ ...failed, line: null, host: "n1" })).toBe("Non-zero exit status (3) for task (1)");
  });

  test("tells a time limit from an interrupt", () => {
    expect(describeFailure({ ...failed, exitStatus: -4 })).toBe(
      "Non-zero exit status (-4) for task (1), stopped at its time limit: exit 3",
    );
    expect(describeFailure({ ...failed, exitStatus: 130 })).toBe("Non-zero exit status (130) for task (1): exit 3");
  });

  test("stays one line of a sensible width, whatever the task holds", () => {
    const shown = (line: string) =>
      describeFailure({ ...failed, line }).slice("Non-zero exit status (3) for task (1): ".length);
    expect(shown("a\nb\tc\x1b[2J\u202ed\u{d800}")).toBe(String.raw`a\nb\tc\x1b[2J\u202ed\ud800`);
    expect(shown("x".repeat(80))).toBe("x".repeat(80));
    expect(shown("x".repeat(81))).toBe(`${"x".repeat(77)}...`);
    expect(shown("\u{1f600}".repeat(100_000))).toBe(`${"\u{1f600}".repeat(77)}...`);
    expect(shown("\u{1f600}".repeat(80))).toBe("\u{1f600}".repeat(80));
  });
});
