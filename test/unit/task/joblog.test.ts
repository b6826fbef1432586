import { expect, test } from "bun:test";
import { listText } from "../../../src/base/wordlist.ts";
import { jobLine, jobLogHeader } from "../../../src/task/joblog.ts";
import { sentinel } from "../../../src/task/task.ts";

const job = {
  seq: 3,
  host: null,
  startTime: 1_796_080_444_845.7,
  completionTime: 1_796_080_446_000,
  duration: 1.154,
  exitStatus: 0,
  command: "echo a",
};

/** The last three columns for a status. */
const endOf = (exitStatus: number) =>
  jobLine({ ...job, exitStatus })
    .split("\t")
    .slice(6, 8)
    .map(Number);

test("a line has the columns of GNU Parallel, in its forms of numbers", () => {
  expect(jobLine(job)).toBe("3\t:\t1796080444.846\t     1.154\t0\t0\t0\t0\techo a\n");
  expect(jobLine({ ...job, host: "n07", duration: 123_456.5 })).toContain("\tn07\t1796080444.846\t123456.500\t");
  expect(jobLine(job).split("\t")).toHaveLength(jobLogHeader.split("\t").length);
});

test("line ends of a command are NULs, tabs stay, and a list of words has blanks", () => {
  expect(jobLine({ ...job, command: "a\tb\nc\n" })).toEndWith("\ta\tb\0c\0\n");
  expect(jobLine({ ...job, command: listText(["a", "b c"]) })).toEndWith("\ta b c\n");
});

test.skipIf(process.platform === "win32")("a signal is told from an exit status, and both from what hs did", () => {
  expect([0, 3, 127, 128, 137, 143, 200, 255].map(endOf)).toEqual([
    [0, 0],
    [3, 0],
    [127, 0],
    [128, 0],
    [0, 9],
    [0, 15],
    [200, 0],
    [255, 0],
  ]);
  expect([sentinel.overLimit, sentinel.overMemory, sentinel.clientLost].map(endOf)).toEqual([
    [-1, 15],
    [-1, 15],
    [-1, 0],
  ]);
  expect([sentinel.templateFailed, sentinel.insufficientResources, sentinel.cancelled].map(endOf)).toEqual([
    [-2, 0],
    [-2, 0],
    [-2, 0],
  ]);
});

test("a task that never ran has the time at which it was given up", () => {
  expect(jobLine({ ...job, startTime: null, duration: null, exitStatus: sentinel.templateFailed })).toBe(
    "3\t:\t1796080446.000\t     0.000\t0\t0\t-2\t0\techo a\n",
  );
});
