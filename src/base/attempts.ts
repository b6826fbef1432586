/*
 * Has the system drop attempts to connect before this process hears of them, on Linux: by a filter of packets on the
 * socket that listens (SO_ATTACH_FILTER, socket(7); the program is one of the classic BPF,
 * Documentation/networking/filter.rst of Linux). Whoever is dropped tries again by itself, after one second, three
 * seconds and so on. Connections that are made are not touched.
 */
import type * as ffi from "bun:ffi";
import { openLibc } from "./libc.ts";

/** From where: the four bytes of an IPv4 address, or the first eight of an IPv6 address, as numbers of 32 bits. */
export type Network = readonly [number] | readonly [number, number];

/** SOL_SOCKET, SO_ATTACH_FILTER and SO_DETACH_FILTER of Linux on x86-64 and ARM. */
const [solSocket, attachFilter, detachFilter] = [1, 26, 27];
/** What a filter answers: keep all of the packet, or none of it. */
const [keep, drop] = [0xffffffff, 0];
/** Where the IP header begins, for loads (SKF_NET_OFF). Offsets from 0 on are in the TCP header. */
const ipHeader = -0x100000;
const [loadByte, loadWord, and, ifEqual, jump, answer] = [0x30, 0x20, 0x54, 0x15, 0x05, 0x06];

type Step = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** A filter that drops the first packet of each attempt from these networks; null: from everywhere. */
function filterOf(networks: readonly Network[] | null): readonly Step[] {
  const isFirst: readonly Step[] = [
    [loadByte, 0, 0, 13],
    // Of the flags SYN and ACK, only SYN is set.
    [and, 0, 0, 0x12],
    [ifEqual, 1, 0, 0x02],
    [answer, 0, 0, keep],
  ];
  if (networks === null) return [...isFirst, [answer, 0, 0, drop]];
  const version6 = networks.flatMap(([high, low]): readonly Step[] =>
    low === undefined
      ? []
      : [
          [loadWord, 0, 0, ipHeader + 8],
          [ifEqual, 0, 3, high],
          [loadWord, 0, 0, ipHeader + 12],
          [ifEqual, 0, 1, low],
          [answer, 0, 0, drop],
        ],
  );
  const version4 = networks.flatMap(([address, low]): readonly Step[] =>
    low === undefined
      ? [
          [ifEqual, 0, 1, address],
          [answer, 0, 0, drop],
        ]
      : [],
  );
  return [
    ...isFirst,
    [loadByte, 0, 0, ipHeader],
    [and, 0, 0, 0xf0],
    [ifEqual, 0, 1, 0x40],
    [jump, 0, 0, version6.length + 1],
    ...version6,
    [answer, 0, 0, keep],
    [loadWord, 0, 0, ipHeader + 12],
    ...version4,
    [answer, 0, 0, keep],
  ];
}

/**
 * Drops attempts to connect to the socket with this descriptor, from these networks (at most 500), or from everywhere
 * (null). Answers false where that is not to be had.
 */
export function dropAttempts(descriptor: number, networks: readonly Network[] | null): boolean {
  if (process.platform !== "linux") return false;
  const library = setter();
  if (library === null) return false;
  const steps = filterOf(networks);
  const program = new DataView(new ArrayBuffer(8 * steps.length));
  steps.forEach(([code, ifTrue, ifFalse, operand], at) => {
    program.setUint16(8 * at, code, true);
    program.setUint8(8 * at + 2, ifTrue);
    program.setUint8(8 * at + 3, ifFalse);
    program.setUint32(8 * at + 4, operand, true);
  });
  const { ptr } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const bytes = new Uint8Array(program.buffer);
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, steps.length, true);
  header.setBigUint64(8, BigInt(ptr(bytes)), true);
  return library.setsockopt(descriptor, solSocket, attachFilter, new Uint8Array(header.buffer), 16) === 0;
}

/** Lets all attempts through again. */
export function allowAttempts(descriptor: number): void {
  setter()?.setsockopt(descriptor, solSocket, detachFilter, new Uint8Array(4), 4);
}

function setter() {
  return openLibc({ setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" } });
}
