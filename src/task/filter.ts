/*
 * Conditions on tasks, as `-w`, `-t`, `-g` and the status flags of `hs list` and `hs update` give them. Parsed here, once;
 * each store translates the same tree, with every value a parameter.
 */
import type { TagValue, TaskField } from "./task.ts";

export type Operator = "==" | "!=" | ">" | ">=" | "<" | "<=" | "~";

export type Condition =
  | { readonly kind: "field"; readonly field: TaskField; readonly operator: Operator; readonly value: TagValue }
  | { readonly kind: "tagKey"; readonly key: string }
  | { readonly kind: "tagValue"; readonly key: string; readonly value: TagValue };
