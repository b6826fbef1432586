import { expect, test } from "bun:test";
import {
  clearedFields,
  inputFields,
  isNullable,
  kindOf,
  laterFields,
  propertyOf,
  requiredFields,
  resultFields,
  taskFields,
} from "../../../src/task/field.ts";
import { makeTask } from "../../conformance/store.ts";

// Written out: databases of 2.8 have these and no others, whatever the table says.
const columns =
  "id group args submit_id submit_time submit_host cores memory cores_max memory_max timeout server_id server_host " +
  "schedule_time client_id client_host command start_time completion_time exit_status outpath errpath csvpath " +
  "attempt retried waited duration previous_id next_id tag";

test("the columns of version 2.8 stay what they were", () => {
  expect(requiredFields.join(" ")).toBe(columns);
  expect(requiredFields.filter((field) => !isNullable(field)).join(" ")).toBe(
    "id group args submit_id submit_time attempt retried tag",
  );
});

test("a column that came later stands at the end, and may be null: rows of older programs have no value for it", () => {
  expect(taskFields).toEqual([...requiredFields, ...laterFields]);
  expect(laterFields.filter((field) => !isNullable(field))).toEqual([]);
});

test("a new task has a property for each input, and no others", () => {
  expect(Object.keys(makeTask()).toSorted()).toEqual(inputFields.map(propertyOf).toSorted());
});

test("what a dispatch and an outcome write is cleared, and nothing that a retry needs", () => {
  expect(clearedFields).toEqual(expect.arrayContaining(resultFields));
  expect(clearedFields.filter((field) => inputFields.some((input) => input === field))).toEqual([]);
  expect(taskFields.filter((field) => !clearedFields.includes(field)).join(" ")).toBe(
    "id group args submit_id submit_time submit_host cores memory timeout attempt retried previous_id next_id tag",
  );
});

test("a property is the column's name in camel case", () => {
  const names = (["id", "submit_id", "cores_max", "csvpath"] as const).map(propertyOf);
  expect(names).toEqual(["id", "submitId", "coresMax", "csvpath"]);
  expect(kindOf("cores_max")).toBe("float");
});
