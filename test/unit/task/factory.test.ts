import { describe, expect, test } from "bun:test";
import { taskFactory } from "../../../src/task/factory.ts";
import type { TaskDefaults } from "../../../src/task/factory.ts";
import { requireTags } from "../../../src/task/tag.ts";
import type { NewTask } from "../../../src/task/task.ts";

const defaults: TaskDefaults = {
  submitId: "s",
  submitHost: "h",
  group: 0,
  cores: null,
  memory: null,
  timeout: null,
  settings: [],
};

function tasksOf(text: string, more: Partial<TaskDefaults> = {}): NewTask[] {
  let ids = 0;
  const factory = taskFactory({ ...defaults, ...more }, () => `id-${++ids}`);
  return text.split("\n").flatMap((each) => {
    const line = factory.read(each);
    return line.kind === "task" ? [factory.build(line.args, line.settings, 5)] : [];
  });
}

const standing = `
# HYPERSHELL: case:1 site:b
echo AA
echo BB # HYPERSHELL: case:9
# HYPERSHELL: case:2
echo CC
# HYPERSHELL: group:2 cores:4 memory:2GB timeout:30
echo DD
echo EE # HYPERSHELL: cores:1 group:5 memory:1024
# HYPERSHELL: case:
echo FF`;

describe("a task", () => {
  test("has the defaults, the time and the next id", () => {
    expect(tasksOf("echo 1", { group: 3, cores: 2, memory: 10, timeout: 4 })).toEqual([
      {
        id: "id-1",
        group: 3,
        args: "echo 1",
        submitId: "s",
        submitTime: 5,
        submitHost: "h",
        cores: 2,
        memory: 10,
        timeout: 4,
        attempt: 1,
        previousId: null,
        tag: { part: 0 },
      },
    ]);
  });
});

describe("settings", () => {
  test("hold for the lines that follow, key by key, and give way to inline tags on their line", () => {
    const tasks = tasksOf(standing).map(({ args, group, cores, memory, timeout, tag }) => [
      args,
      group,
      cores,
      memory,
      timeout,
      tag,
    ]);
    expect(tasks).toEqual([
      ["echo AA", 0, null, null, null, { case: 1, site: "b", part: 0 }],
      ["echo BB", 0, null, null, null, { case: 9, site: "b", part: 0 }],
      ["echo CC", 0, null, null, null, { case: 2, site: "b", part: 0 }],
      ["echo DD", 2, 4, 2147483648, 30, { case: 2, site: "b", part: 0 }],
      ["echo EE", 5, 1, 1024, 30, { case: 2, site: "b", part: 0 }],
      ["echo FF", 2, 4, 2147483648, 30, { case: "", site: "b", part: 0 }],
    ]);
  });
  test("rank inline tag, setting line, -t, option", () => {
    const settings = requireTags(["group:1", "cores:1", "memory:1", "a:t", "b:t", "c:t"]);
    const [task] = tasksOf("# HYPERSHELL: group:2 cores:2 b:line c:line\necho 1 # HYPERSHELL: group:3 c:inline", {
      settings,
      group: 9,
      cores: 9,
      memory: 9,
      timeout: 9,
    });
    expect(task).toMatchObject({
      group: 3,
      cores: 2,
      memory: 1,
      timeout: 9,
      tag: { a: "t", b: "line", c: "inline", part: 0 },
    });
  });
  test("of one line: the last mention counts", () => {
    expect(tasksOf("echo 1 # HYPERSHELL: dup:1 dup:2")[0]!.tag).toEqual({ dup: 2, part: 0 });
  });
  test("are stored in the order -t, setting line, inline, part; a key that is set again keeps its place", () => {
    const [task] = tasksOf("# HYPERSHELL: b:1 a:2\necho # HYPERSHELL: z b:3 part:4", {
      settings: requireTags(["a:1", "q"]),
    });
    expect(JSON.stringify(task!.tag)).toBe('{"a":2,"q":"","b":3,"z":"","part":0}');
  });
  test("may have any word for a key", () => {
    const [task] = tasksOf("echo # HYPERSHELL: __proto__:1 constructor:2");
    expect(JSON.stringify(task!.tag)).toBe('{"__proto__":1,"constructor":2,"part":0}');
  });
  test("of a bad line do not hold", () => {
    expect(tasksOf("# HYPERSHELL: a:1 b:/\necho 1")[0]!.tag).toEqual({ part: 0 });
  });
  test("belong to one input", () => {
    tasksOf("# HYPERSHELL: a:1");
    expect(tasksOf("echo 1")[0]!.tag).toEqual({ part: 0 });
  });
});
