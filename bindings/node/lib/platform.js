'use strict';

// Which package has the binary for this process, and how it is loaded. Nothing is spawned, and
// nothing is downloaded: a binary is there because npm has installed the package of the platform,
// or because `npm run build` has made it in a checkout.

const fs = require('node:fs');
const path = require('node:path');

// Names as in npm/ of the repository. Linux has one for each C library.
const PLATFORMS = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
];

const NODE_MAJOR_MIN = 18;
const PT_INTERP = 3;

/**
 * The program that the header of an ELF executable asks to be loaded with, such as
 * `/lib/ld-musl-x86_64.so.1`; undefined where it names none, or is none of 64 bits.
 */
function interpreter(executable) {
  const file = fs.openSync(executable, 'r');
  const read = (offset, bytes) => {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, fs.readSync(file, buffer, 0, bytes, offset));
  };
  try {
    const header = read(0, 64);
    if (header.length < 64 || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') {
      return undefined;
    }
    const offset = Number(header.readBigUInt64LE(32));
    const size = header.readUInt16LE(54);
    const segments = read(offset, size * header.readUInt16LE(56));
    for (let at = 0; at + 40 <= segments.length; at += size) {
      if (segments.readUInt32LE(at) === PT_INTERP) {
        const place = Number(segments.readBigUInt64LE(at + 8));
        const bytes = Number(segments.readBigUInt64LE(at + 32));
        return read(place, Math.min(bytes, 4096)).toString('latin1').split('\0')[0];
      }
    }
    return undefined;
  } finally {
    fs.closeSync(file);
  }
}

/** What Node's own report says, which takes milliseconds. */
function reportedGlibc() {
  return process.report?.getReport().header.glibcVersionRuntime;
}

/** `gnu` or `musl`: what this Node is linked with. */
function libcOfThisProcess() {
  try {
    const loader = interpreter(process.execPath);
    if (loader !== undefined) {
      return loader.includes('musl') ? 'musl' : 'gnu';
    }
  } catch {
    // An executable that must not be read: the report says as much, only slower.
  }
  return reportedGlibc() === undefined ? 'musl' : 'gnu';
}

/** The name of the platform as in npm/, whether there is a package for it or not. */
function platformName({ platform, arch, libc }) {
  const suffix = { linux: () => `-${libc()}`, win32: () => '-msvc' }[platform];
  return `${platform}-${arch}${suffix?.() ?? ''}`;
}

/** This process, as `load` wants to be told of it. */
function here() {
  return {
    platform: process.platform,
    arch: process.arch,
    libc: libcOfThisProcess,
    glibc: reportedGlibc,
    node: process.versions.node,
    napi: process.versions.napi,
    root: path.join(__dirname, '..'),
    require,
  };
}

/**
 * Loads the binary: that of the package for the platform, else the one in npm/ of a checkout.
 *
 * Throws an Error with the code `ERR_KEIRIN_NATIVE`, which says what was tried and what helps; its
 * `cause` is the last attempt's.
 */
function load(environment = here()) {
  const { root } = environment;
  const { version } = environment.require(path.join(root, 'package.json'));
  const name = platformName(environment);
  const attempts = [];
  if (PLATFORMS.includes(name)) {
    const inCheckout = path.join(root, 'npm', name, 'keirin.node');
    const ways = [
      [`@keirin/${name}`, () => loadPackage(environment, `@keirin/${name}`, version)],
      [inCheckout, () => loadFile(environment, inCheckout)],
    ];
    for (const [what, attempt] of ways) {
      try {
        return attempt();
      } catch (error) {
        attempts.push({ what, error });
      }
    }
  }
  throw failure(environment, name, version, attempts);
}

/** A binary belongs to the JavaScript of its own version, and to no other. */
function loadPackage(environment, name, version) {
  const installed = required(environment, `${name}/package.json`, 'it is not installed').version;
  if (installed !== version) {
    throw new Error(`it is installed as ${installed}, and this is keirin ${version}`);
  }
  return required(environment, name, 'it is installed without its binary');
}

function required(environment, what, otherwise) {
  try {
    return environment.require(what);
  } catch (error) {
    throw error?.code === 'MODULE_NOT_FOUND' ? absent(otherwise, error) : error;
  }
}

function loadFile(environment, file) {
  if (!fs.existsSync(file)) {
    throw absent('there is no such file');
  }
  return environment.require(file);
}

function absent(text, cause) {
  return Object.assign(new Error(text, { cause }), { isAbsent: true });
}

function failure(environment, name, version, attempts) {
  const lines = ['keirin found no binary that it can load.', ''];
  lines.push(`  platform: ${describePlatform(environment)}`);
  lines.push(`  Node:     ${environment.node} (Node-API ${environment.napi})`);
  for (const { what, error } of attempts) {
    lines.push(`  tried:    ${what}: ${firstLine(error)}`);
  }
  lines.push('', ...advice(environment, name, version, attempts));
  const error = new Error(lines.join('\n'), { cause: attempts.at(-1)?.error });
  error.code = 'ERR_KEIRIN_NATIVE';
  return error;
}

function describePlatform({ platform, arch, libc, glibc }) {
  if (platform !== 'linux') {
    return `${platform} ${arch}`;
  }
  const version = libc() === 'gnu' ? ` ${glibc() ?? ''}`.trimEnd() : '';
  return `${platform} ${arch}, ${libc() === 'gnu' ? 'glibc' : 'musl'}${version}`;
}

function firstLine(error) {
  return String(error?.message ?? error).split('\n')[0];
}

function advice(environment, name, version, attempts) {
  if (Number.parseInt(environment.node, 10) < NODE_MAJOR_MIN) {
    return [`keirin needs Node ${NODE_MAJOR_MIN} or later.`];
  }
  if (attempts.length === 0) {
    return [`There is no package for ${name}. There are: ${PLATFORMS.join(', ')}.`];
  }
  const [installed, built] = attempts.map(({ error }) => error);
  const broken = [built, installed].find((error) => !error.isAbsent);
  if (broken === undefined) {
    return [
      'npm leaves out the package of the platform when it is told to omit optional dependencies, or',
      'when the lock file or node_modules come from another platform. What helps:',
      `  npm install keirin@${version} --include=optional`,
      `  npm install @keirin/${name}@${version}`,
      'If that does not: remove node_modules and package-lock.json, and install again.',
      'In a checkout of the repository: npm run build, in bindings/node.',
    ];
  }
  if (/GLIBC_/.test(broken.message)) {
    return ['The C library of this system is older than the binary needs: update the system.'];
  }
  return [
    'A binary is there, and does not load. Install it anew:',
    `  npm install keirin@${version} @keirin/${name}@${version} --force`,
    'In a checkout of the repository: npm run build, in bindings/node.',
  ];
}

module.exports = { PLATFORMS, here, interpreter, libcOfThisProcess, load, platformName };
