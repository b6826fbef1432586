/*
 * Slices with Python's rules in full: start, stop and step may be left out, be negative, or lie outside. Knows lengths
 * and places only.
 *
 *   words     = "[" index "]" | "[" [ index ] ":" [ index ] [ ":" [ index ] ] "]"
 *   index     = [ "+" | "-" ] digit { digit }          blanks may stand around each
 */

export interface Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;
}

/** The places that a slice takes from a sequence, in order: from `first`, `count` times, `step` apart. */
export interface Places {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/**
 * The places that a slice takes from a sequence of `length` items, by the rules of Python's `slice.indices`. The step
 * is not 0. Numbers too large to be exact are far outside any sequence and count as such.
 */
export function placesOf({ start, stop, step }: Slice, length: number): Places {
  const stride = step ?? 1;
  const lowest = stride > 0 ? 0 : -1;
  const highest = stride > 0 ? length : length - 1;

  function clamp(place: number | null, otherwise: number): number {
    if (place === null) return otherwise;
    return place < 0 ? Math.max(place + length, lowest) : Math.min(place, highest);
  }

  const first = clamp(start, stride > 0 ? lowest : highest);
  const end = clamp(stop, stride > 0 ? highest : lowest);
  return { first, step: stride, count: Math.max(0, Math.ceil((end - first) / stride)) };
}

/** The items at these places, in order. */
export function take<T>(values: ArrayLike<T>, { first, step, count }: Places): T[] {
  const taken: T[] = [];
  for (let index = 0; index < count; index++) taken.push(values[first + index * step] as T);
  return taken;
}

/** The place, from 0, of an index that may count from the end; null when it lies outside of `length` items. */
export function placeOf(index: number, length: number): number | null {
  const place = index < 0 ? index + length : index;
  return place >= 0 && place < length ? place : null;
}
