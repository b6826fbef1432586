/*
 * What Bun itself is made of, with the licences. Bun's packages hold a program and no word of licences; this list is
 * what Bun's own page about licences names. Versions are asked of Bun itself (`process.versions`), where it knows them.
 */

export interface Part {
  readonly name: string;
  /** How `process.versions` calls it; missing: Bun does not tell its version. */
  readonly key?: string;
  /** As an SPDX expression, or in words where there is none. */
  readonly licence: string;
  /** Where its source and its licence text are. */
  readonly source: string;
}

const hub = "https://github.com";

/** Libraries that are linked into Bun. */
export const bunParts: readonly Part[] = [
  {
    name: "JavaScriptCore and WTF of WebKit",
    key: "webkit",
    licence: "LGPL-2.0-or-later AND BSD-2-Clause",
    source: `${hub}/oven-sh/WebKit`,
  },
  { name: "TinyCC", key: "tinycc", licence: "LGPL-2.1-or-later", source: `${hub}/tinycc/tinycc` },
  {
    name: "BoringSSL",
    key: "boringssl",
    licence: "Apache-2.0, and others: see its LICENSE",
    source: "https://boringssl.googlesource.com/boringssl",
  },
  { name: "Brotli", licence: "MIT", source: `${hub}/google/brotli` },
  {
    name: "libarchive",
    key: "libarchive",
    licence: "BSD-2-Clause, and others: see its COPYING",
    source: `${hub}/libarchive/libarchive`,
  },
  { name: "lol-html", key: "lolhtml", licence: "BSD-3-Clause", source: `${hub}/cloudflare/lol-html` },
  { name: "ls-hpack", key: "lshpack", licence: "MIT", source: `${hub}/litespeedtech/ls-hpack` },
  { name: "ls-qpack", licence: "MIT", source: `${hub}/litespeedtech/ls-qpack` },
  { name: "lsquic", licence: "MIT AND BSD-3-Clause", source: `${hub}/litespeedtech/lsquic` },
  { name: "mimalloc", key: "mimalloc", licence: "MIT", source: `${hub}/microsoft/mimalloc` },
  {
    name: "picohttpparser",
    key: "picohttpparser",
    licence: "MIT OR Artistic-1.0-Perl",
    source: `${hub}/h2o/picohttpparser`,
  },
  { name: "llhttp", key: "llhttp", licence: "MIT", source: `${hub}/nodejs/llhttp` },
  { name: "Zstandard", key: "zstd", licence: "BSD-3-Clause OR GPL-2.0-only", source: `${hub}/facebook/zstd` },
  { name: "simdutf", licence: "Apache-2.0 OR MIT", source: `${hub}/simdutf/simdutf` },
  { name: "uSockets", key: "usockets", licence: "Apache-2.0", source: `${hub}/uNetworking/uSockets` },
  { name: "uWebSockets", key: "uwebsockets", licence: "Apache-2.0", source: `${hub}/uNetworking/uWebSockets` },
  { name: "zlib-ng", key: "zlib", licence: "Zlib", source: `${hub}/zlib-ng/zlib-ng` },
  { name: "c-ares", key: "ares", licence: "MIT", source: `${hub}/c-ares/c-ares` },
  {
    name: "ICU (not on macOS)",
    key: "icu",
    licence: "Unicode-3.0, and others: see its LICENSE",
    source: `${hub}/unicode-org/icu`,
  },
  { name: "libbase64", licence: "BSD-2-Clause", source: `${hub}/aklomp/base64` },
  { name: "libuv (on Windows)", key: "uv", licence: "MIT", source: `${hub}/libuv/libuv` },
  { name: "libdeflate", key: "libdeflate", licence: "MIT", source: `${hub}/ebiggers/libdeflate` },
  {
    name: "libjpeg-turbo",
    licence: "IJG AND BSD-3-Clause AND Zlib",
    source: `${hub}/libjpeg-turbo/libjpeg-turbo`,
  },
  { name: "libspng", licence: "BSD-2-Clause", source: `${hub}/randy408/libspng` },
  { name: "libwebp", licence: "BSD-3-Clause", source: `${hub}/webmproject/libwebp` },
  { name: "Highway", licence: "Apache-2.0 OR BSD-3-Clause", source: `${hub}/google/highway` },
  { name: "uucode", licence: "MIT", source: `${hub}/jacobsandlund/uucode` },
  { name: "SQLite (not on macOS)", key: "sqlite", licence: "blessing", source: "https://www.sqlite.org" },
  { name: "Parts of TigerBeetle", licence: "Apache-2.0", source: `${hub}/tigerbeetle/tigerbeetle` },
  { name: "Parts of libc++abi", licence: "Apache-2.0 WITH LLVM-exception", source: `${hub}/llvm/llvm-project` },
  { name: "esbuild, of which parts were ported", licence: "MIT", source: `${hub}/evanw/esbuild` },
];

/** Packages for Node that Bun holds, all under the MIT licence. */
export const bunPolyfills: readonly string[] = [
  "acorn",
  "acorn-walk",
  "assert",
  "browserify-zlib",
  "buffer",
  "constants-browserify",
  "crypto-browserify",
  "domain-browser",
  "events",
  "https-browserify",
  "os-browserify",
  "path-browserify",
  "process",
  "punycode",
  "querystring-es3",
  "stream-browserify",
  "stream-http",
  "string_decoder",
  "timers-browserify",
  "tty-browserify",
  "url",
  "util",
  "vm-browserify",
];
