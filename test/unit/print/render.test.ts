import type { ShownRow } from "../../../src/task/task.ts";
import { describe, expect, test } from "bun:test";
import { formats, jsonOf, jsonRecord, pour, renderer, yamlRecord } from "../../../src/print/render.ts";
import type { Format, Page } from "../../../src/print/render.ts";
import type { Output } from "../../../src/print/output.ts";
import { record } from "../../../src/print/record.ts";
import { themeOf } from "../../../src/print/theme.ts";
import { systemClock } from "../../../src/base/clock.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { type TaskField, taskFields } from "../../../src/task/field.ts";
import { printed, referenceRows } from "../../compat/reference.ts";
import { taskRow } from "./rows.ts";

function render(
  format: Format,
  fields: readonly TaskField[],
  rows: readonly ShownRow[],
  page: Partial<Page> = {},
): string {
  const delimiter = format === "csv" ? "," : "\t";
  const shape = renderer(format, fields, { theme: null, columns: 80, delimiter, isTerminal: false, ...page });
  return shape.head + rows.map((row) => shape.row(row)).join("") + shape.end();
}

/** The reference prints these escaped as JSON does (outputs.md D1); here they are readable. */
const readableText = (text: string): string =>
  text.replaceAll("\\u00fcn\\u00efcode", "ünïcode").replaceAll('\\\\"text\\\\"', '\\"text\\"');

describe("what the reference printed for its database is printed again", () => {
  test("as csv, byte for byte", () => {
    expect(render("csv", taskFields, referenceRows())).toBe(printed("list.csv"));
  });

  test("as json, byte for byte", () => {
    expect(render("json", taskFields, referenceRows())).toBe(printed("list.json"));
  });

  test("as records, but for readable text (D1) and JSON spelling in tags (D2)", () => {
    const expected = readableText(printed("list.normal"))
      .replaceAll("flag:True", "flag:true")
      .replaceAll("nul:None", "nul:null");
    expect(expected).not.toBe(printed("list.normal"));
    expect(render("normal", taskFields, referenceRows())).toBe(expected);
  });

  test("as a table, but for readable text (D1), which is shorter and so wraps elsewhere", () => {
    const fields = ["id", "args", "exit_status"] as const;
    const lines = render("table", fields, referenceRows(fields)).split("\n");
    const expected = printed("list.table").split("\n");
    const first = expected.findIndex((line) => line.includes("u00fc"));
    expect(lines.slice(first, first + 2)).toEqual([
      "│ 8e61d4d0-5d8d-4735-99d1-4cf0b… │ echo \"ünïcode 'quoted'        │ 0           │",
      '│                                │ \\"text\\""                     │             │',
    ]);
    expect(lines.toSpliced(first, 2)).toEqual(expected.toSpliced(first, 2));
  });

  test("as yaml, but for the blank line at the end (D5)", () => {
    const row = referenceRows().find(([id]) => String(id).startsWith("228208be"))!;
    expect(`${yamlRecord(row, null)}\n`).toBe(printed("info.yaml"));
  });
});

describe("a record", () => {
  test("of a finished task shows requests, peaks, spans and hosts in their places", () => {
    const row = taskRow({
      id: "cd20208b-069b-45ae-9e4e-3f79f57bde6d",
      args: "sleep 2; exit 3",
      command: "sleep 2; exit 3",
      submit_id: "51135641-9252-4edb-aca3-ea8476cb413b",
      submit_host: "node01",
      submit_time: "2026-11-22 07:07:22.779247",
      cores: 1,
      memory: 104857600,
      timeout: 60,
      server_host: "node01",
      server_id: "51135641-9252-4edb-aca3-ea8476cb413b",
      schedule_time: "2026-11-22 07:07:23.479563",
      client_host: "node01",
      client_id: "51135641-9252-4edb-aca3-ea8476cb413b",
      start_time: "2026-11-22 07:07:23.492278",
      completion_time: "2026-11-22 07:07:25.495985",
      waited: 0,
      duration: 2,
      exit_status: 3,
      outpath: "/site/lib/task/cd.out",
      errpath: "/site/lib/task/cd.err",
      csvpath: "/site/lib/task/cd.csv",
      tag: { site: "b", flag: true, naked: "", val: 1.5, nul: null, part: 0 },
    });
    expect(record(row)).toBe(`          id: cd20208b-069b-45ae-9e4e-3f79f57bde6d
       group: 0
        args: sleep 2; exit 3
     command: sleep 2; exit 3
       cores: 1 (used: null)
      memory: 100MB (used: null)
     timeout: 0:01:00
 exit_status: 3
   submitted: 2026-11-22 07:07:22.779247
   scheduled: 2026-11-22 07:07:23.479563
     started: 2026-11-22 07:07:23.492278 (waited: 0:00:00)
   completed: 2026-11-22 07:07:25.495985 (duration: 0:00:02)
 submit_host: node01 (51135641-9252-4edb-aca3-ea8476cb413b)
 server_host: node01 (51135641-9252-4edb-aca3-ea8476cb413b)
 client_host: node01 (51135641-9252-4edb-aca3-ea8476cb413b)
     attempt: 1
     retried: false
     outpath: /site/lib/task/cd.out
     errpath: /site/lib/task/cd.err
     csvpath: /site/lib/task/cd.csv
 previous_id: null
     next_id: null
        tags: site:b, flag:true, naked, val:1.5, nul:null, part:0
`);
  });

  const line = (row: ShownRow, label: string): string =>
    record(row)
      .split("\n")
      .find((each) => each.trimStart().startsWith(`${label}:`))!;

  test("of an unfinished task says null for what is not known", () => {
    const row = taskRow({});
    expect(
      ["command", "scheduled", "started", "completed", "server_host", "client_host"].map((label) =>
        line(row, label).trim(),
      ),
    ).toEqual([
      "command: null",
      "scheduled: null",
      "started: null (waited: null)",
      "completed: null (duration: null)",
      "server_host: null (null)",
      "client_host: null (null)",
    ]);
  });

  test("has 23 lines, whatever is in its texts", () => {
    expect(record(taskRow({ args: "a\nb\tc\r\u001b[31m", command: "\u2028" })).split("\n")).toHaveLength(24);
    expect(line(taskRow({ args: "a\nb\tc\r\u001b[31m" }), "args")).toBe("        args: a\\nb\\tc\\r\\x1b[31m");
  });

  test("shows text as it was written: no JSON escapes", () => {
    expect(line(taskRow({ args: 'echo "ü\\n"' }), "args")).toBe('        args: echo "ü\\n"');
  });

  test("shows peaks with two decimals, and none that is nothing", () => {
    expect(line(taskRow({ cores: 4, cores_max: 3.987 }), "cores")).toBe("       cores: 4 (used: 3.99)");
    expect(line(taskRow({ cores_max: 0 }), "cores")).toBe("       cores: 0 (used: null)");
    expect(line(taskRow({ memory: 1024, memory_max: 1536 }), "memory")).toBe("      memory: 1.00KB (used: 1.50KB)");
  });

  test("shows milliseconds of short spans, and days of long ones", () => {
    const row = taskRow({ start_time: "x", waited: 0.0125, duration: 93784.5, completion_time: "y" });
    expect(line(row, "started")).toBe("     started: x (waited: 0:00:00.013)");
    expect(line(row, "completed")).toBe("   completed: y (duration: 1 day, 2:03:04)");
  });

  test("shows what older programs stored in the wrong type as it stands", () => {
    const row = taskRow({ timeout: "10m", memory: "1GB", cores: "x", waited: "soon" });
    expect(line(row, "timeout")).toBe("     timeout: 10m");
    expect(line(row, "memory")).toBe("      memory: 1GB (used: null)");
    expect(line(row, "cores")).toBe("       cores: x (used: null)");
  });
});

describe("plain", () => {
  test("is a line a task, values joined by the delimiter, which may be long or empty", () => {
    const rows = [
      ["echo out; echo err >&2", 0],
      ["echo remaining", null],
    ] as const;
    expect(render("plain", ["args", "exit_status"], rows)).toBe("echo out; echo err >&2\t0\necho remaining\tnull\n");
    expect(render("plain", ["args", "exit_status"], rows, { delimiter: " -- " })).toBe(
      "echo out; echo err >&2 -- 0\necho remaining -- null\n",
    );
    expect(render("plain", ["attempt", "group"], [[1, 2]], { delimiter: "" })).toBe("12\n");
  });

  test("is raw text, but for newline and TAB", () => {
    expect(render("plain", ["args"], [['printf "ü\\t" | x']])).toBe('printf "ü\\t" | x\n');
    expect(render("plain", ["args"], [["a\tb\nc"]])).toBe("a\\tb\\nc\n");
  });

  test("shows tags as JSON on one line", () => {
    expect(render("plain", ["tag", "retried"], [[{ site: "b", flag: false, part: 0 }, true]])).toBe(
      '{"site": "b", "flag": false, "part": 0}\ttrue\n',
    );
  });
});

describe("csv", () => {
  const one = (text: string, delimiter = ","): string =>
    render("csv", ["args"], [[text]], { delimiter })
      .split("\r\n")
      .slice(1)
      .join("\r\n");

  test("quotes only what holds the delimiter, a quote or an end of line", () => {
    expect(one("a b; c\td")).toBe("a b; c\td\r\n");
    expect(one("a,b")).toBe('"a,b"\r\n');
    expect(one('say "x"')).toBe('"say ""x"""\r\n');
    expect(one("a\nb")).toBe('"a\nb"\r\n');
    expect(one("a\rb")).toBe('"a\rb"\r\n');
    expect(one("ünï")).toBe("ünï\r\n");
  });

  test.each(["\t", ";", "|", "]", "^", "-", "\\", "→", "𝄞"])("takes %p as delimiter", (delimiter) => {
    const text = render("csv", ["args", "exit_status"], [[`x${delimiter}y`, -1]], { delimiter });
    const status = delimiter === "-" ? '"-1"' : "-1";
    expect(text).toBe(`args${delimiter}exit_status\r\n"x${delimiter}y"${delimiter}${status}\r\n`);
  });

  test("writes a row of one empty text as two quotes", () => {
    expect(one("")).toBe('""\r\n');
    expect(render("csv", ["args", "id"], [["", ""]])).toBe("args,id\r\n,\r\n");
  });

  test("writes tags as JSON, floats with their point and null as null", () => {
    const fields = ["args", "tag", "retried", "cores_max", "exit_status"] as const;
    expect(render("csv", fields, [["false", { part: 0 }, false, 2, null]])).toBe(
      'args,tag,retried,cores_max,exit_status\r\nfalse,"{""part"": 0}",false,2.0,null\r\n',
    );
  });
});

describe("json", () => {
  test("has the keys in the order asked for, a repeated one once", () => {
    const fields = ["exit_status", "args", "exit_status"] as const;
    expect(render("json", fields, [[1, "false", 1]])).toBe(
      '[\n    {\n        "exit_status": 1,\n        "args": "false"\n    }\n]\n',
    );
  });

  test("is ASCII: what is not is escaped, in UTF-16 units", () => {
    const text = render("json", ["args"], [['ü → 𝄞 \u007f \u0001 "\\/']]);
    expect(text).toContain('"\\u00fc \\u2192 \\ud834\\udd1e \\u007f \\u0001 \\"\\\\/"');
    expect(JSON.parse(text)).toEqual([{ args: 'ü → 𝄞 \u007f \u0001 "\\/' }]);
  });

  test("keeps the order of tags, and writes no tags as {}", () => {
    const text = render("json", ["tag"], [[{ b: "", a: 1.5, n: null, part: 0 }], [{}]]);
    expect(text).toBe(`[
    {
        "tag": {
            "b": "",
            "a": 1.5,
            "n": null,
            "part": 0
        }
    },
    {
        "tag": {}
    }
]
`);
  });

  test("of one task is an object of all fields", () => {
    const text = jsonRecord(taskRow({ cores_max: 2, tag: { part: 0 } }), null);
    expect(Object.keys(JSON.parse(text) as object)).toEqual([...taskFields]);
    expect(text).toStartWith('{\n    "id": ');
    expect(text).toContain('\n    "cores_max": 2.0,\n');
    expect(text).toEndWith('    "tag": {\n        "part": 0\n    }\n}\n');
  });

  test("of tags alone is an object", () => {
    expect(jsonOf({ site: "b", part: 0 }, false, null)).toBe('{\n    "site": "b",\n    "part": 0\n}\n');
  });

  test("has colours when they are wanted, and is the same text without them", () => {
    const rows = [["x", 1, true, { part: 0 }]] as const;
    const fields = ["args", "exit_status", "retried", "tag"] as const;
    const coloured = render("json", fields, rows, { theme: themeOf("monokai") });
    expect(coloured).toContain("\u001b[");
    expect(Bun.stripANSI(coloured)).toBe(render("json", fields, rows));
    expect(Bun.stripANSI(yamlRecord(taskRow({}), themeOf("nord")))).toBe(yamlRecord(taskRow({}), null));
    expect(coloured).not.toBe(render("json", fields, rows, { theme: themeOf("nord") }));
  });
});

describe("nothing found", () => {
  const nothing: Readonly<Record<Format, string>> = {
    normal: "",
    plain: "",
    csv: "id,args\r\n",
    json: "[]\n",
    table: "┏━━━━┳━━━━━━┓\n┃ id ┃ args ┃\n┡━━━━╇━━━━━━┩\n└────┴──────┘\n",
  };
  test.each([...formats])("as %s", (format) => {
    expect(render(format, ["id", "args"], [])).toBe(nothing[format]);
  });
});

describe("pouring rows", () => {
  function collector(isTerminal = false): Output & { readonly writes: string[] } {
    const writes: string[] = [];
    return {
      writes,
      write: (data) => void writes.push(typeof data === "string" ? data : Buffer.from(data).toString()),
      isTerminal,
      coloured: false,
      columns: 80,
    };
  }
  const frozen: Clock = { now: () => 0, after: (_, action) => (queueMicrotask(action), { cancel: () => {} }) };
  const plainArgs = () => renderer("plain", ["args"], { theme: null, columns: 80, delimiter: "\t", isTerminal: false });

  test("writes the first row before the second is there", async () => {
    const output = collector();
    const seen: number[] = [];
    async function* rows() {
      yield ["first"];
      seen.push(output.writes.length);
      yield ["second"];
      seen.push(output.writes.length);
    }
    await pour(rows(), plainArgs(), output, frozen);
    expect(seen).toEqual([1, 1]);
    expect(output.writes.join("")).toBe("first\nsecond\n");
  });

  test("writes every row at once on a terminal", async () => {
    const output = collector(true);
    const seen: number[] = [];
    async function* rows() {
      for (let index = 0; index < 3; index += 1) {
        seen.push(output.writes.length);
        yield [String(index)];
      }
    }
    await pour(rows(), plainArgs(), output, frozen);
    expect(seen).toEqual([0, 1, 2]);
  });

  test("gathers rows that come fast, and never more than a block", async () => {
    const output = collector();
    async function* rows() {
      for (let index = 0; index < 20_000; index += 1) yield [`line number ${index}`];
    }
    await pour(rows(), plainArgs(), output, frozen);
    expect(output.writes.length).toBeLessThan(10);
    expect(Math.max(...output.writes.map((text) => text.length))).toBeLessThan(70_000);
    expect(output.writes.join("").split("\n")).toHaveLength(20_001);
  });

  test("does not hold back a row that came after a pause", async () => {
    const output = collector();
    let now = 0;
    const clock: Clock = { ...frozen, now: () => now };
    const seen: number[] = [];
    async function* rows() {
      yield ["a"];
      now += 1000;
      yield ["b"];
      seen.push(output.writes.length);
      yield ["c"];
    }
    await pour(rows(), plainArgs(), output, clock);
    expect(seen).toEqual([2]);
  });

  test("lets the event loop turn although rows are always ready", async () => {
    const output = collector();
    let turned = false;
    setImmediate(() => (turned = true));
    async function* rows() {
      // Ends only when the event loop turned, or after far more rows than that takes.
      for (let index = 0; index < 50_000_000 && !turned; index += 1) yield ["x"];
    }
    await pour(rows(), plainArgs(), output, systemClock);
    expect(turned).toBe(true);
  });

  test("ends when the reader has left, and lets the source clean up", async () => {
    let cleaned = false;
    let asked = 0;
    async function* rows() {
      try {
        for (;;) {
          asked += 1;
          yield ["x".repeat(1000)];
        }
      } finally {
        cleaned = true;
      }
    }
    const gone = Object.assign(new Error("EPIPE: broken pipe, write"), { code: "EPIPE", syscall: "write" });
    let writes = 0;
    const output: Output = {
      ...collector(),
      write: () => {
        writes += 1;
        if (writes === 3) throw gone;
      },
    };
    const thrown = await pour(rows(), plainArgs(), output, systemClock).catch((error: unknown) => error);
    expect(thrown).toBe(gone);
    expect(cleaned).toBe(true);
    expect(asked).toBeLessThan(1000);
  });
});
