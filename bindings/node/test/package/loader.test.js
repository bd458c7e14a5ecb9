'use strict';

// The loader of the binary, on platforms that this machine is not, and with files that are broken.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const loader = require('../../lib/platform.js');
const { PLATFORMS } = require('../../scripts/platforms.js');

const VERSION = require('../../package.json').version;

/** An empty installation of keirin in a folder of its own, whose modules are really loaded. */
function installation(t, changes = {}) {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-loader-'));
  t.after(() => fs.rmSync(base, { recursive: true }));
  const root = path.join(base, 'node_modules/keirin');
  const write = (file, text) => {
    const place = path.join(base, 'node_modules', file);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, text);
  };
  write('keirin/package.json', JSON.stringify({ name: 'keirin', version: VERSION }));
  const environment = {
    platform: 'linux',
    arch: 'x64',
    libc: () => 'gnu',
    glibc: () => '2.36',
    node: '20.1.0',
    napi: '9',
    root,
    require: createRequire(path.join(root, 'lib/platform.js')),
    ...changes,
  };
  return { environment, write };
}

/** The package of a platform, with JavaScript in the place of a binary, or with none. */
function writePackage(write, name, { version = VERSION, file = 'keirin.js', text } = {}) {
  const description = { name: `@keirin/${name}`, version, main: file };
  write(`@keirin/${name}/package.json`, JSON.stringify(description));
  if (text !== undefined) {
    write(`@keirin/${name}/${file}`, text);
  }
}

function failure(environment) {
  try {
    loader.load(environment);
  } catch (error) {
    assert.equal(error.code, 'ERR_KEIRIN_NATIVE');
    return error;
  }
  throw new assert.AssertionError({ message: 'it loaded something' });
}

const PROCESSES = [
  { platform: 'linux', arch: 'x64', libc: 'gnu', name: 'linux-x64-gnu' },
  { platform: 'linux', arch: 'x64', libc: 'musl', name: 'linux-x64-musl' },
  { platform: 'linux', arch: 'arm64', libc: 'gnu', name: 'linux-arm64-gnu' },
  { platform: 'linux', arch: 'arm64', libc: 'musl', name: 'linux-arm64-musl' },
  { platform: 'darwin', arch: 'x64', name: 'darwin-x64' },
  { platform: 'darwin', arch: 'arm64', name: 'darwin-arm64' },
  { platform: 'win32', arch: 'x64', name: 'win32-x64-msvc' },
];

for (const { platform, arch, libc, name } of PROCESSES) {
  test(`the package of ${name} is taken, and no other`, (t) => {
    const { environment, write } = installation(t, { platform, arch, libc: () => libc });
    for (const each of loader.PLATFORMS) {
      writePackage(write, each, { text: `module.exports = ${JSON.stringify(each)};` });
    }
    assert.equal(loader.load(environment), name);
  });
}

test('there is a package for each platform that the loader knows', () => {
  assert.deepEqual(loader.PLATFORMS, PROCESSES.map(({ name }) => name));
  assert.deepEqual(loader.PLATFORMS, PLATFORMS.map(({ name }) => name));
});

test('the package comes before the file of a checkout', (t) => {
  for (const isInstalled of [false, true]) {
    const { environment, write } = installation(t);
    const file = path.join(environment.root, 'npm/linux-x64-gnu/keirin.node');
    const real = environment.require;
    environment.require = (what) => (what === file ? 'checkout' : real(what));
    write('keirin/npm/linux-x64-gnu/keirin.node', '');
    if (isInstalled) {
      writePackage(write, 'linux-x64-gnu', { text: "module.exports = 'package';" });
    }
    assert.equal(loader.load(environment), isInstalled ? 'package' : 'checkout');
  }
});

test('without anything it says what was tried and what to do', (t) => {
  const { environment } = installation(t);
  const { message, cause } = failure(environment);
  assert.match(message, /platform: linux x64, glibc 2\.36\n/);
  assert.match(message, /Node: {5}20\.1\.0 \(Node-API 9\)\n/);
  assert.match(message, /tried: {4}@keirin\/linux-x64-gnu: it is not installed\n/);
  assert.match(message, /npm\/linux-x64-gnu\/keirin\.node: there is no such file\n/);
  assert.ok(message.includes(`npm install @keirin/linux-x64-gnu@${VERSION}`));
  assert.ok(message.includes('--include=optional'));
  assert.ok(message.includes('npm run build'));
  assert.equal(cause.message, 'there is no such file');
});

test('a platform without a package is told which have one', (t) => {
  for (const [platform, arch] of [['linux', 'riscv64'], ['freebsd', 'x64'], ['win32', 'arm64']]) {
    const { environment } = installation(t, { platform, arch });
    const { message } = failure(environment);
    assert.match(message, new RegExp(`There is no package for ${platform}-${arch}`));
    assert.ok(message.includes(loader.PLATFORMS.join(', ')));
    assert.ok(!message.includes('tried:'));
  }
});

test('musl is named as such', (t) => {
  const { environment } = installation(t, { libc: () => 'musl', glibc: () => undefined });
  assert.match(failure(environment).message, /platform: linux x64, musl\n/);
});

test('an old Node is told to be replaced, and 18 is not old', (t) => {
  const old = installation(t, { node: '17.9.1' });
  assert.match(failure(old.environment).message, /keirin needs Node 18 or later\.$/);
  const young = installation(t, { node: '18.0.0' });
  assert.doesNotMatch(failure(young.environment).message, /18 or later/);
});

test('a binary of another version is not loaded', (t) => {
  const { environment, write } = installation(t);
  writePackage(write, 'linux-x64-gnu', { version: '0.0.9', text: 'module.exports = 1;' });
  const { message } = failure(environment);
  assert.ok(message.includes(`it is installed as 0.0.9, and this is keirin ${VERSION}`));
  assert.match(message, /Install it anew/);
});

test('a package whose binary was never built counts as absent', (t) => {
  const { environment, write } = installation(t);
  writePackage(write, 'linux-x64-gnu', { file: 'keirin.node' });
  const { message } = failure(environment);
  assert.match(message, /@keirin\/linux-x64-gnu: it is installed without its binary\n/);
  assert.match(message, /npm run build/);
});

test('a file that is no library is a broken installation', (t) => {
  const { environment, write } = installation(t);
  writePackage(write, 'linux-x64-gnu', { file: 'keirin.node', text: 'no library' });
  const { message } = failure(environment);
  assert.match(message, /@keirin\/linux-x64-gnu: .*(file too short|invalid ELF header)/);
  assert.match(message, /Install it anew/);
});

test('an old C library is named as the cause', (t) => {
  const { environment, write } = installation(t);
  const text = "throw new Error(\"libc.so.6: version `GLIBC_2.39' not found\");";
  writePackage(write, 'linux-x64-gnu', { text });
  assert.match(failure(environment).message, /update the system\.$/);
});

/** An ELF executable of nothing but headers, with that interpreter, or none. */
function executable(t, interpreter, { magic = '\x7fELF\x02\x01' } = {}) {
  const bytes = Buffer.alloc(512);
  bytes.write(magic, 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  bytes.writeUInt32LE(6, 64);
  bytes.writeUInt32LE(interpreter === undefined ? 1 : 3, 64 + 56);
  bytes.writeBigUInt64LE(300n, 64 + 56 + 8);
  bytes.writeBigUInt64LE(BigInt((interpreter ?? '').length + 1), 64 + 56 + 32);
  bytes.write(interpreter ?? '', 300);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-elf-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'node');
  fs.writeFileSync(file, bytes);
  return file;
}

test('the C library is read from the executable', (t) => {
  for (const name of ['/lib/ld-musl-x86_64.so.1', '/lib64/ld-linux-x86-64.so.2']) {
    assert.equal(loader.interpreter(executable(t, name)), name);
  }
  assert.equal(loader.interpreter(executable(t, undefined)), undefined);
  assert.equal(loader.interpreter(executable(t, '/lib/x', { magic: 'MZ' })), undefined);
  const short = executable(t, '/lib/x');
  fs.truncateSync(short, 63);
  assert.equal(loader.interpreter(short), undefined);
});

test('of this process it is what its own report says', () => {
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  assert.equal(loader.libcOfThisProcess(), glibc === undefined ? 'musl' : 'gnu');
});
