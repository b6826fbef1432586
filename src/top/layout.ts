/*
 * How many lines each part of the screen gets. The heights follow from the size and the number of rows in the lists
 * that seldom change, so that nothing jumps while tasks come and go.
 */
import { type Panel, panels, type TopState } from "./state.ts";

/** Lines of a list besides its rows: its title and the names of its columns. */
const listHead = 2;

/** Lines above the lists, without those of servers. */
const headRows = 4;

/** How many lines tell of servers. */
export function serverRows({ view, size }: Pick<TopState, "view" | "size">): number {
  const most = size.rows >= 40 ? 6 : size.rows >= 30 ? 3 : 1;
  return Math.max(1, Math.min(view?.servers.length ?? 0, most));
}

/** Lines between the head and the foot of the page of an output. */
export function bodyRows({ size }: Pick<TopState, "size">): number {
  return Math.max(1, size.rows - 2);
}

/** How many lines of the drawing of the throughput there are. */
export function plotRows({ size }: Pick<TopState, "size">): number {
  return size.rows >= 40 ? 3 : 1;
}

/** How many rows of each list there is room for. The list in focus gets most of what is left over. */
export function listHeights(
  state: Pick<TopState, "view" | "size" | "focus" | "trouble">,
): Readonly<Record<Panel, number>> {
  const { view, size, focus, trouble } = state;
  const above = headRows - 1 + plotRows(state) + serverRows(state) + (trouble === null ? 0 : 1);
  const room = Math.max(0, size.rows - above - 1 - panels.length * listHead);
  const share = focus === "clients" ? 0.5 : 0.25;
  const clients = Math.min(Math.max(1, view?.clients.length ?? 0), Math.max(1, Math.floor(room * share)));
  const rest = Math.max(0, room - clients);
  const few = view === null || view.failures.length === 0;
  const failures = few ? Math.min(1, rest) : Math.floor(rest * (focus === "failures" ? 0.6 : 0.35));
  return { clients, running: rest - failures, failures };
}
