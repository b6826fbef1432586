/*
 * Functions of Windows for processes that Bun has no word for: their true exit statuses and start times, jobs, and who
 * hears Ctrl-C. Each is called as it is, and what it answers is put in terms of this program; what they are used for is
 * known elsewhere (windows.ts, process.ts). They are found when they are first needed, and only on Windows.
 *
 * Source: the Win32 API (processthreadsapi.h, jobapi2.h, tlhelp32.h, consoleapi.h, winreg.h). Handles and processes are
 * those of the x64 and arm64 layouts, where a pointer takes 8 bytes.
 */
import type * as ffi from "bun:ffi";
import { hostname } from "node:os";

/** A handle of the kernel: a process or a job. */
export type Handle = ffi.Pointer | bigint;

export interface ProcessEntry {
  readonly pid: number;
  /** The process id of its parent, which may have ended, and whose number may be another's by now. */
  readonly parent: number;
}

export interface Kernel {
  /** Opens a process; null: there is none of this id, or it may not be opened. */
  open(pid: number): Handle | null;
  close(handle: Handle): void;
  /** Whether the process has ended. */
  hasEnded(process: Handle): boolean;
  /** The exit status of a process that has ended, 0 to 2^32 - 1; null: the system does not tell. */
  exitStatus(process: Handle): number | null;
  /** When the process was started, in units of 100 nanoseconds since 1601; null: the system does not tell. */
  startTime(process: Handle): bigint | null;
  /** Ends a process with this exit status. */
  end(process: Handle, status: number): void;
  /** Makes a job without processes; null: the system has no room. */
  newJob(): Handle | null;
  /** Takes a process (null: this one) into a job, and all that it starts from then on. Answers whether it did. */
  join(job: Handle, process: Handle | null): boolean;
  /** Whether all processes of the job end when its last handle is closed, as by the end of who made it. */
  endsWithUs(job: Handle, ends: boolean): boolean;
  isIn(job: Handle, process: Handle): boolean;
  /** How many processes of the job have not ended. */
  members(job: Handle): number;
  /** Ends all processes of the job, with this exit status. */
  endAll(job: Handle, status: number): void;
  /** All processes of the system. */
  processes(): readonly ProcessEntry[];
  /** Whether this process, and what it starts from now on, does not hear Ctrl-C. */
  ignoresInterrupt(): boolean;
  ignoreInterrupt(ignores: boolean): void;
  /** What tells this installation of Windows from others; null: the system does not tell. */
  machine(): string | null;
}

/** PROCESS_TERMINATE, PROCESS_SET_QUOTA (to take it into a job), PROCESS_QUERY_INFORMATION, SYNCHRONIZE. */
const fullAccess = 0x0001 | 0x0100 | 0x0400 | 0x10_0000;
/** What the processes of others may allow: PROCESS_QUERY_LIMITED_INFORMATION, SYNCHRONIZE. */
const leastAccess = 0x1000 | 0x10_0000;
/** JobObjectBasicAccountingInformation: its size in bytes, and where ActiveProcesses is. */
const accounting = { kind: 1, size: 48, active: 40 };
/** JobObjectExtendedLimitInformation: its size in bytes, and where LimitFlags is. */
const limits = { kind: 9, size: 144, flags: 16 };
/** JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE. */
const killOnClose = 0x2000;
/** TH32CS_SNAPPROCESS; PROCESSENTRY32W: its size in bytes, and where the ids are. */
const snapshot = { kind: 2, size: 568, pid: 8, parent: 32 };
/** HKEY_LOCAL_MACHINE, which is 32 bits with a sign; RRF_RT_REG_SZ. */
const registry = { machine: 0x8000_0002 | 0, text: 2 };
/** Where the PEB has the parameters of the process, and these the flags of its console. The first flag: no Ctrl-C. */
const peb = { parameters: 0x20, consoleFlags: 0x18 };

function openLibraries() {
  const { dlopen, read } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const { symbols } = dlopen("kernel32.dll", {
    OpenProcess: { args: ["u32", "i32", "u32"], returns: "ptr" },
    CloseHandle: { args: ["ptr"], returns: "i32" },
    WaitForSingleObject: { args: ["ptr", "u32"], returns: "u32" },
    GetExitCodeProcess: { args: ["ptr", "ptr"], returns: "i32" },
    GetProcessTimes: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    TerminateProcess: { args: ["ptr", "u32"], returns: "i32" },
    CreateJobObjectW: { args: ["ptr", "ptr"], returns: "ptr" },
    AssignProcessToJobObject: { args: ["ptr", "ptr"], returns: "i32" },
    IsProcessInJob: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    SetInformationJobObject: { args: ["ptr", "i32", "ptr", "u32"], returns: "i32" },
    QueryInformationJobObject: { args: ["ptr", "i32", "ptr", "u32", "ptr"], returns: "i32" },
    TerminateJobObject: { args: ["ptr", "u32"], returns: "i32" },
    CreateToolhelp32Snapshot: { args: ["u32", "u32"], returns: "ptr" },
    Process32FirstW: { args: ["ptr", "ptr"], returns: "i32" },
    Process32NextW: { args: ["ptr", "ptr"], returns: "i32" },
    SetConsoleCtrlHandler: { args: ["ptr", "i32"], returns: "i32" },
  });
  return { kernel32: symbols, dlopen, read };
}

/** Finds the functions. Throws where the system lets no program call them, as where there is no Windows. */
export function openKernel(): Kernel {
  const { kernel32, dlopen, read } = openLibraries();
  /** Filled by one call, and read before the next. */
  const number = new Uint32Array(1);
  const counts = new Uint32Array(accounting.size / 4);
  /** GetCurrentProcess answers this constant. */
  const self = -1 as unknown as Handle;
  return {
    open: (pid) => kernel32.OpenProcess(fullAccess, 0, pid) ?? kernel32.OpenProcess(leastAccess, 0, pid),
    close: (handle) => void kernel32.CloseHandle(handle),
    hasEnded: (handle) => kernel32.WaitForSingleObject(handle, 0) === 0,
    exitStatus: (handle) => (kernel32.GetExitCodeProcess(handle, number) === 0 ? null : number[0]!),
    startTime(handle) {
      const times = new BigUint64Array(4);
      const each = (index: number): BigUint64Array => times.subarray(index, index + 1);
      const told = kernel32.GetProcessTimes(handle, each(0), each(1), each(2), each(3)) !== 0;
      return told ? times[0]! : null;
    },
    end: (handle, status) => void kernel32.TerminateProcess(handle, status),
    newJob: () => kernel32.CreateJobObjectW(null, null),
    join: (job, handle) => kernel32.AssignProcessToJobObject(job, handle ?? self) !== 0,
    endsWithUs(job, ends) {
      const wanted = new Uint32Array(limits.size / 4);
      wanted[limits.flags / 4] = ends ? killOnClose : 0;
      return kernel32.SetInformationJobObject(job, limits.kind, wanted, limits.size) !== 0;
    },
    isIn: (job, handle) => kernel32.IsProcessInJob(handle, job, number) !== 0 && number[0] !== 0,
    members(job) {
      const told = kernel32.QueryInformationJobObject(job, accounting.kind, counts, accounting.size, null) !== 0;
      return told ? counts[accounting.active / 4]! : 0;
    },
    endAll: (job, status) => void kernel32.TerminateJobObject(job, status),
    processes() {
      const all = kernel32.CreateToolhelp32Snapshot(snapshot.kind, 0);
      const entry = new Uint32Array(snapshot.size / 4);
      entry[0] = snapshot.size;
      const found: ProcessEntry[] = [];
      for (let more = kernel32.Process32FirstW(all, entry); more !== 0; more = kernel32.Process32NextW(all, entry))
        found.push({ pid: entry[snapshot.pid / 4]!, parent: entry[snapshot.parent / 4]! });
      if (all !== null) kernel32.CloseHandle(all);
      return found;
    },
    ignoresInterrupt() {
      const ntdll = dlopen("ntdll.dll", { RtlGetCurrentPeb: { args: [], returns: "ptr" } }).symbols;
      const parameters = read.ptr(ntdll.RtlGetCurrentPeb() as ffi.Pointer, peb.parameters) as ffi.Pointer;
      return (read.u32(parameters, peb.consoleFlags) & 1) !== 0;
    },
    ignoreInterrupt: (ignores) => void kernel32.SetConsoleCtrlHandler(null, ignores ? 1 : 0),
    machine() {
      const { RegGetValueW } = dlopen("advapi32.dll", {
        RegGetValueW: { args: ["ptr", "ptr", "ptr", "u32", "ptr", "ptr", "ptr"], returns: "i32" },
      }).symbols;
      const text = new Uint16Array(64);
      const size = new Uint32Array([text.byteLength]);
      const key = wide("SOFTWARE\\Microsoft\\Cryptography");
      const root = registry.machine as unknown as Handle;
      const failed = RegGetValueW(root, key, wide("MachineGuid"), registry.text, null, text, size);
      // The size counts bytes, and the zero at the end.
      return failed === 0 ? `${String.fromCharCode(...text.subarray(0, size[0]! / 2 - 1))}/${hostname()}` : null;
    },
  };
}

/** A text as functions of Windows take it. */
function wide(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length + 1 }, (_, at) => (at < text.length ? text.charCodeAt(at) : 0));
}
