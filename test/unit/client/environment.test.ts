import { expect, test } from "bun:test";
import { type EnvironmentOptions, inherited, taskEnvironment, timeText } from "../../../src/client/environment.ts";
import { taskFields } from "../../../src/task/field.ts";
import { newAssignment, taskPlace } from "./tasks.ts";

const options: EnvironmentOptions = {
  environment: { PATH: "/bin", HOME: "/root", FOO: "inherited", GONE: undefined },
  exports: { FOO: "exported", BAR: "1:2" },
  cwd: "/work",
  clientId: "the-client",
  clientHost: "here",
  serverId: null,
  serverHost: null,
  taskFolder: "/lib/task",
};

const base = inherited(options);
const variablesOf = (changes: Parameters<typeof newAssignment>[0], command: string | null = "true") => {
  const environment = taskEnvironment(options, base, true);
  environment.fill(newAssignment(changes), command, 1_700_000_000_000);
  return environment.variables;
};

test("every column of a task has its variable, and what is not known yet reads null", () => {
  const variables = variablesOf({});
  for (const field of taskFields) expect(variables[`TASK_${field.toUpperCase()}`]).toBeString();
  for (const field of [
    "CORES",
    "MEMORY",
    "TIMEOUT",
    "CORES_MAX",
    "MEMORY_MAX",
    "EXIT_STATUS",
    "DURATION",
    "NEXT_ID",
    "PREVIOUS_ID",
  ]) {
    expect(variables[`TASK_${field}`]).toBe("null");
  }
  expect(variables).toMatchObject({ TASK_RETRIED: "false", TASK_SERVER_ID: "null", TASK_COMPLETION_TIME: "null" });
});

test("what is known has its value", () => {
  const id = "0198c0de-0000-7000-8000-000000000000";
  expect(
    variablesOf(
      {
        id,
        args: "3",
        group: 2,
        cores: 4,
        memory: 1024,
        timeout: 60,
        attempt: 2,
        previousId: "before",
        submitTime: 1_699_999_998_750,
      },
      "echo 3",
    ),
  ).toMatchObject({
    TASK_ID: id,
    TASK_ARGS: "3",
    TASK_COMMAND: "echo 3",
    TASK_GROUP: "2",
    TASK_CORES: "4",
    TASK_MEMORY: "1024",
    TASK_TIMEOUT: "60",
    TASK_ATTEMPT: "2",
    TASK_PREVIOUS_ID: "before",
    TASK_WAITED: "1.25",
    TASK_CLIENT_ID: "the-client",
    TASK_CLIENT_HOST: "here",
  });
});

test("folder and paths are named also when nothing is captured", () => {
  expect(variablesOf({ id: "x" })).toMatchObject({
    TASK_CWD: "/work",
    TASK_OUTPATH: "/lib/task/x.out",
    TASK_ERRPATH: "/lib/task/x.err",
    TASK_CSVPATH: "/lib/task/x.csv",
  });
});

test("exports win over what was inherited", () => {
  expect(variablesOf({})).toMatchObject({ FOO: "exported", BAR: "1:2", HOME: "/root", PATH: "/bin" });
});

test("a tag's variable is its key in upper case; naked tags are empty, the rest as in the database", () => {
  const tag = { site: "b", naked: "", n: 1.5, yes: true, no: false, none: null, "a.b": "c", part: 0 };
  expect(variablesOf({ tag })).toMatchObject({
    TASK_TAG_SITE: "b",
    TASK_TAG_NAKED: "",
    TASK_TAG_N: "1.5",
    TASK_TAG_YES: "true",
    TASK_TAG_NO: "false",
    TASK_TAG_NONE: "null",
    "TASK_TAG_A.B": "c",
    TASK_TAG_PART: "0",
    TASK_TAG: '{"site": "b", "naked": "", "n": 1.5, "yes": true, "no": false, "none": null, "a.b": "c", "part": 0}',
  });
});

test("a tag whose key makes no name for a shell has a second variable, unless another tag has that name", () => {
  const environment = taskEnvironment(options, base, true);
  const tagsOf = (tag: Record<string, string | number>) => {
    environment.fill(newAssignment({ tag }), "true", 0);
    return Object.fromEntries(Object.entries(environment.variables).filter(([name]) => name.startsWith("TASK_TAG_")));
  };
  const both = { "TASK_TAG_SAMPLE-ID": "a", TASK_TAG_SAMPLE_ID: "a" };
  expect(tagsOf({ "sample-id": "a" })).toEqual(both);
  expect(tagsOf({ sample_id: "b", "sample-id": "a" })).toEqual({ ...both, TASK_TAG_SAMPLE_ID: "b" });
  expect(tagsOf({ "sample-id": "a", sample_id: "b" })).toEqual({ ...both, TASK_TAG_SAMPLE_ID: "b" });
  expect(tagsOf({ "sample-id": "a" })).toEqual(both);
  expect(tagsOf({ "a.b+c": 1 })).toEqual({ "TASK_TAG_A.B+C": "1", TASK_TAG_A_B_C: "1" });
  expect(tagsOf({})).toEqual({});
});

test("nothing of an earlier task's tags is left", () => {
  const environment = taskEnvironment(options, base, true);
  const tagsOf = (tag: Record<string, string | number>) => {
    environment.fill(newAssignment({ tag }), "true", 0);
    return Object.keys(environment.variables).filter((name) => name.startsWith("TASK_TAG_"));
  };
  expect(tagsOf({ a: 1, b: 2, part: 0 })).toEqual(["TASK_TAG_A", "TASK_TAG_B", "TASK_TAG_PART"]);
  expect(tagsOf({ a: 1, part: 0 }).toSorted()).toEqual(["TASK_TAG_A", "TASK_TAG_PART"]);
  expect(tagsOf({ part: 0 })).toEqual(["TASK_TAG_PART"]);
  expect(tagsOf({ part: 0, a: 1 }).toSorted()).toEqual(["TASK_TAG_A", "TASK_TAG_PART"]);
  expect(tagsOf({})).toEqual([]);
});

test("a tag that the client itself inherited shows where no tag of the task hides it", () => {
  const nested = taskEnvironment(options, { ...base, TASK_TAG_SITE: "outer" }, true);
  nested.fill(newAssignment({ tag: { site: "inner" } }), "true", 0);
  expect(nested.variables["TASK_TAG_SITE"]).toBe("inner");
  nested.fill(newAssignment({ tag: { part: 0 } }), "true", 0);
  expect(nested.variables["TASK_TAG_SITE"]).toBe("outer");
});

test("any number of different tag keys takes no room", () => {
  const environment = taskEnvironment(options, base, true);
  for (let i = 0; i < 5000; i++) environment.fill(newAssignment({ tag: { [`key${i}`]: i } }), "true", 0);
  expect(Object.keys(environment.variables).filter((name) => name.startsWith("TASK_TAG_"))).toEqual([
    "TASK_TAG_KEY4999",
  ]);
});

test("a variable with the name of an object's innards is a variable", () => {
  const environment = { ["__proto__"]: "odd", constructor: "plain" } as unknown as Record<string, string>;
  const own = inherited({ environment, exports: {} });
  expect(Object.getOwnPropertyDescriptor(own, "__proto__")?.value).toBe("odd");
  expect(own["constructor"]).toBe("plain");
  expect(own["hasOwnProperty"]).toBeUndefined();
});

test("times are local, to the microsecond, without a fraction of zero", () => {
  const text = timeText();
  const at = new Date(2026, 10, 22, 7, 9, 58).getTime();
  expect(text(at)).toBe("2026-11-22 07:09:58");
  expect(text(at + 0.001)).toBe("2026-11-22 07:09:58.000001");
  expect(text(at + 753.123)).toBe("2026-11-22 07:09:58.753123");
  expect(text(at + 1999.9999)).toBe("2026-11-22 07:10:00");
  expect(text(at - 60_000 * 10)).toBe("2026-11-22 06:59:58");
});

test("times follow the clocks when they are changed for the summer", async () => {
  const program = `
    import { timeText } from ${JSON.stringify(`${import.meta.dir}/../../../src/client/environment.ts`)};
    const text = timeText();
    const at = Date.UTC(2026, 2, 29, 0, 59, 59);
    console.log(text(at), text(at + 1000), text(at));
  `;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { ...process.env, TZ: "Europe/Berlin" },
    stderr: "inherit",
  });
  expect(await child.stdout.text()).toBe("2026-03-29 01:59:59 2026-03-29 03:00:00 2026-03-29 01:59:59\n");
});

test("a task sees its variables, and those of no other task", async () => {
  using place = taskPlace({ exports: { FOO: "bar" } });
  await place.run("one", { tag: { site: "a", part: 0 } }, 'echo "$TASK_ARGS $TASK_ATTEMPT $TASK_TAG_SITE $FOO"');
  await place.run(
    "two",
    { tag: { part: 0 }, attempt: 2 },
    'echo "$TASK_ARGS $TASK_ATTEMPT ${TASK_TAG_SITE-none} $FOO"',
  );
  expect(place.read("out")).toBe("one 1 a bar\ntwo 2 none bar\n");
});

test("what differs from the task before is told anew, what does not stays", () => {
  const environment = taskEnvironment(options, base, true);
  const seen = (changes: Parameters<typeof newAssignment>[0]): unknown => {
    environment.fill(newAssignment(changes), null, 0);
    const { TASK_GROUP, TASK_CORES, TASK_PREVIOUS_ID, TASK_SUBMIT_ID, TASK_ATTEMPT, TASK_COMMAND } =
      environment.variables;
    return [TASK_GROUP, TASK_CORES, TASK_PREVIOUS_ID, TASK_SUBMIT_ID, TASK_ATTEMPT, TASK_COMMAND];
  };
  expect(seen({ submitId: "a" })).toEqual(["0", "null", "null", "a", "1", "null"]);
  expect(seen({ submitId: "a", cores: 2, previousId: "p", attempt: 2 })).toEqual(["0", "2", "p", "a", "2", "null"]);
  expect(seen({ submitId: "b", group: 1, cores: 2 })).toEqual(["1", "2", "null", "b", "1", "null"]);
});
