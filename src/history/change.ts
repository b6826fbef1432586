/*
 * What a change by hand means for tasks, whichever database they are in: which of them are meant, and what a server
 * that holds one is told. How rows are changed is in edits.ts of each.
 */
import { clearedFields, type TaskField } from "../task/field.ts";
import type { Condition } from "../task/filter.ts";
import type { Recall } from "../store/store.ts";
import type { Change, Selection } from "./history.ts";

/** Fields that a server goes by. It need not know when others change. */
const ofInterest: readonly TaskField[] = ["args", "group", "cores", "memory", "timeout"];

/** Fields that a reverted task loses: all that its dispatch and its outcome wrote, and the link to a next attempt. */
export const revertedFields: readonly TaskField[] = [...clearedFields, "next_id"];

/**
 * The tasks that are meant. One that has ended cannot be cancelled, so it is not among them, nor counted by a limit.
 */
export function selectionOf(selection: Selection, { action }: Change): Selection {
  if (action !== "cancel") return selection;
  const open: Condition = { kind: "field", field: "completion_time", operator: "==", value: null };
  return { ...selection, where: [...selection.where, open] };
}

/**
 * The conditions that are tested again in the transaction that changes a task. A revert leaves out those on links: it
 * removes the link to a task from the next attempt, which may be meant too and would no longer match.
 */
export function guardsOf(conditions: readonly Condition[], { action }: Change): readonly Condition[] {
  return action === "revert" ? conditions.filter((each) => !isLink(each)) : conditions;
}

/** Whether a condition looks at the link to the attempt before. */
export function isLink(condition: Condition): boolean {
  return condition.kind === "field" && condition.field === "previous_id";
}

/** Whether a condition looks at what becomes of a failure when its next attempt is deleted. */
export function isOfNext(condition: Condition): boolean {
  return condition.kind === "field" && (condition.field === "next_id" || condition.field === "retried");
}

/** Whether a change writes tags. */
export function isTagged({ tags, removedTags }: Change): boolean {
  return Object.keys(tags).length > 0 || removedTags.length > 0;
}

/** What a server is told that holds a task which is changed; null: it need not know. */
export function recallOf(change: Change): Recall["kind"] | null {
  const { action, fields } = change;
  if (action === "cancel") return "cancelled";
  if (action === "revert") return "reverted";
  if (action === "delete") return "deleted";
  return isTagged(change) || ofInterest.some((field) => fields.has(field)) ? "changed" : null;
}
