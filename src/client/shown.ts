/*
 * What a client answers to somebody who looks at a task: a piece of its captured file. Knows no connection.
 */
import { closeSync, openSync } from "node:fs";
import { excerptOf } from "../base/excerpt.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { mostPiece, type OutputPiece, type OutputQuery } from "../view/view.ts";

/** A piece, or why there is none. */
export type Shown = OutputPiece & { readonly refused?: string };

const nothing = { text: "", next: 0, more: false, over: true } as const;

/**
 * A piece of what a task has printed here. `folder`: where captured files are; null: output is not kept. `isOver`:
 * whether the task has ended. An empty file is not kept, so a missing one of a task that has ended is empty.
 */
export function showOutput(folder: string | null, query: OutputQuery, isOver: boolean): Shown {
  if (folder === null)
    return { ...nothing, refused: `What task ${query.id} prints is not kept: its client runs without --capture` };
  const path = `${folder}/${query.id}.${query.stream === "stdout" ? "out" : "err"}`;
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (failureCode(error) === "ENOENT") return { ...nothing, over: isOver };
    return { ...nothing, refused: `What task ${query.id} has printed cannot be read: ${failureReason(error)}` };
  }
  try {
    return { ...excerptOf(descriptor, query.from, Math.min(query.most, mostPiece), isOver), over: isOver };
  } catch (error) {
    return { ...nothing, refused: `What task ${query.id} has printed cannot be read: ${failureReason(error)}` };
  } finally {
    closeSync(descriptor);
  }
}
