/*
 * What a change by hand means for rows, whichever database they are in: which tasks are meant, and what a server that holds one is told. How
 * rows are changed is in edits.ts of each.
 */
import { clearedFields, type TaskField } from "../task/field.ts";
import type { Condition } from "../task/filter.ts";
import type { Recall } from "../store/store.ts";
import type { Change, Selection } from "./history.ts";

/** What a server goes by; it need not know of other changes. */
const ofInterest: readonly TaskField[] = ["args", "group", "cores", "memory", "timeout"];

/** What a reverted task loses: all that its dispatch and its outcome wrote, and the link to a next attempt. */
export const revertedFields: readonly TaskField[] = [...clearedFields, "next_id"];

/** A task that has ended cannot be cancelled, so it is none of those that are meant, nor counted by a limit. */
export function selectionOf(selection: Selection, { action }: Change): Selection {
  if (action !== "cancel") return selection;
  const open: Condition = { kind: "field", field: "completion_time", operator: "==", value: null };
  return { ...selection, where: [...selection.where, open] };
}

/**
 * What is tested again in the transaction that changes a task. A revert takes the link to a task out of its next attempt, which may be among
 * those that are meant, so conditions on links are not.
 */
export function guardsOf(conditions: readonly Condition[], { action }: Change): readonly Condition[] {
  return action === "revert" ? conditions.filter((each) => !isLink(each)) : conditions;
}

/** Whether a condition looks at the link to the attempt before. */
export function isLink(condition: Condition): boolean {
  return condition.kind === "field" && condition.field === "previous_id";
}

/** Whether a change writes tags. */
export function isTagged({ tags, removedTags }: Change): boolean {
  return Object.keys(tags).length > 0 || removedTags.length > 0;
}

/** What a server is told whose task is changed; null: it need not know. */
export function recallOf(change: Change): Recall["kind"] | null {
  const { action, fields } = change;
  if (action === "cancel") return "cancelled";
  if (action === "revert") return "reverted";
  if (action === "delete") return "deleted";
  return isTagged(change) || ofInterest.some((field) => fields.has(field)) ? "changed" : null;
}
