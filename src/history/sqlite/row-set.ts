/* A set of row numbers that stays small where they are dense: a bit for each row, 1.3 MB for ten million. */

export interface RowSet {
  add(row: number): void;
  has(row: number): boolean;
}

/** Row numbers of one chunk of bits. */
const chunkBits = 2 ** 16;

/** An empty set; row numbers are not negative. */
export function newRowSet(): RowSet {
  const chunks = new Map<number, Uint8Array>();
  return {
    add(row) {
      const [at, bit] = [Math.floor(row / chunkBits), row % chunkBits];
      let chunk = chunks.get(at);
      if (chunk === undefined) chunks.set(at, (chunk = new Uint8Array(chunkBits / 8)));
      chunk[bit >> 3]! |= 1 << (bit & 7);
    },
    has(row) {
      const bit = row % chunkBits;
      const chunk = chunks.get(Math.floor(row / chunkBits));
      return chunk !== undefined && (chunk[bit >> 3]! & (1 << (bit & 7))) !== 0;
    },
  };
}
