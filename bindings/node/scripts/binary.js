'use strict';

// What a binary for Linux asks of the system that it is loaded on, read with binutils.

const { execFileSync } = require('node:child_process');

// What Node's own binaries ask for since version 18, and RHEL 8 and Debian 10 have.
const GLIBC_MAX = '2.28';

// Beside the C library only what Node itself brings.
const LIBRARIES = /^(libc|libm|libgcc_s|libpthread|libdl|librt|ld-linux-.*)\.so\.\d+$/;
const SYMBOLS_OF_NODE = /^(napi|node_api|uv)_/;
const VERSIONS_OF_SYSTEM = /^(GLIBC|GCC)_[\d.]+$/;

/** The libraries it needs, and the symbols with their versions that it takes from elsewhere. */
function requirements(file) {
  const objdump = (flag) =>
    execFileSync('objdump', [flag, file], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const libraries = [...objdump('-p').matchAll(/^\s+NEEDED\s+(\S+)$/gm)].map((match) => match[1]);
  const symbols = objdump('-T')
    .split('\n')
    .filter((line) => line.includes('*UND*'))
    .map(parseSymbol);
  return { libraries, symbols };
}

/** A line such as `0000  w   DF *UND*  0000 (GLIBC_2.2.5) free`: the second field are flags. */
function parseSymbol(line) {
  const [before, after] = line.split('*UND*');
  const fields = after.trim().split(/\s+/).slice(1);
  const version = fields.length > 1 ? fields[0].replace(/[()]/g, '') : 'Base';
  return { name: fields.at(-1), version, isWeak: before.includes(' w ') };
}

function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left.findIndex((part, index) => part !== (right[index] ?? 0));
  return at === -1 ? left.length - right.length : left[at] - (right[at] ?? 0);
}

/** The newest version of glibc that a symbol is asked of. */
function glibcFloor(symbols) {
  const versions = symbols
    .filter(({ version }) => version.startsWith('GLIBC_'))
    .map(({ version }) => version.slice('GLIBC_'.length));
  return versions.sort(compareVersions).at(-1) ?? '0';
}

/** What about the requirements is more than there may be, in words; nothing if all is well. */
function excesses({ libraries, symbols }, { glibcMax = GLIBC_MAX } = {}) {
  const found = libraries
    .filter((library) => !LIBRARIES.test(library))
    .map((library) => `it needs the library ${library}`);
  for (const { name, version, isWeak } of symbols) {
    const isOfSystem = VERSIONS_OF_SYSTEM.test(version);
    if (!isWeak && !isOfSystem && !SYMBOLS_OF_NODE.test(name)) {
      found.push(`it needs the symbol ${name} (${version})`);
    }
  }
  const floor = glibcFloor(symbols);
  if (compareVersions(floor, glibcMax) > 0) {
    const which = symbols.filter(({ version }) => version === `GLIBC_${floor}`);
    const names = which.map(({ name }) => name).join(' ');
    found.push(`it needs glibc ${floor} (${names}), and ${glibcMax} is the most`);
  }
  return found;
}

module.exports = { GLIBC_MAX, compareVersions, excesses, glibcFloor, parseSymbol, requirements };
