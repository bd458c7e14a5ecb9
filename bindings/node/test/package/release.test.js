'use strict';

// What is about to be published, and the tool that checks it.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const binary = require('../../scripts/binary.js');
const { PLATFORMS, ROOT } = require('../../scripts/platforms.js');
const tarballs = require('../../scripts/tarballs.js');
const versions = require('../../scripts/versions.js');

// A build for the tests is linked with this machine's C library, not with the oldest that there is.
const GLIBC = process.report.getReport().header.glibcVersionRuntime;
const BUILT = path.join(ROOT, 'npm/linux-x64-gnu/keirin.node');

function release(...parameters) {
  const command = [path.join(ROOT, 'scripts/release.js'), ...parameters];
  // Should what is tested here fail, npm is still told to publish nothing.
  const env = { ...process.env, npm_config_dry_run: 'true' };
  return spawnSync(process.execPath, command, { encoding: 'utf8', env });
}

test('all packages have the version of the Rust workspace', () => {
  const metadata = ['metadata', '--no-deps', '--format-version=1', '--offline'];
  const { packages } = JSON.parse(execFileSync('cargo', metadata, { cwd: ROOT, encoding: 'utf8' }));
  const version = versions.workspaceVersion();
  assert.equal(version, packages.find(({ name }) => name === 'keirin').version);
  assert.deepEqual(versions.staleFiles(version), []);
});

test('another version changes every file that names it', () => {
  const stale = versions.staleFiles('9.8.7');
  assert.equal(stale.length, PLATFORMS.length + 2);
  for (const [file, text] of stale) {
    assert.ok(text.includes('"version": "9.8.7"'), file);
  }
  const main = JSON.parse(stale.find(([file]) => file === 'package.json')[1]);
  assert.deepEqual(
    main.optionalDependencies,
    Object.fromEntries(PLATFORMS.map(({ name }) => [`@keirin/${name}`, '9.8.7'])),
  );
});

test('each platform names what npm has to match', () => {
  for (const { name, folder } of PLATFORMS) {
    const description = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    const [os, cpu, libc] = name.split('-');
    assert.deepEqual([description.os, description.cpu], [[os], [cpu]]);
    const expected = os === 'linux' ? [{ gnu: 'glibc', musl: 'musl' }[libc]] : undefined;
    assert.deepEqual(description.libc, expected);
    assert.equal(description.scripts, undefined);
  }
});

test('the lock file names no host, and nothing but these packages', () => {
  const lock = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  for (const [name, { resolved }] of Object.entries(lock.packages)) {
    assert.match(name, /^($|npm\/|node_modules\/@keirin\/)/);
    assert.doesNotMatch(resolved ?? '', /:/);
  }
});

test('the tarballs hold what they should', () => {
  assert.deepEqual(tarballs.faults(ROOT, tarballs.mainFiles()), []);
  assert.deepEqual(tarballs.faults(path.dirname(BUILT), tarballs.platformFiles()), []);
});

test('a file too many or too few in a tarball is named', () => {
  const expected = tarballs.mainFiles();
  const [gone] = expected.splice(expected.indexOf('index.js'), 1);
  const faults = tarballs.faults(ROOT, [...expected, 'lib/missing.js']);
  assert.deepEqual(faults, ['lib/missing.js is missing', `${gone} is too much`]);
});

test('the binary asks the system for nothing but its C library', () => {
  const needs = binary.requirements(BUILT);
  assert.ok(needs.symbols.some(({ name }) => name.startsWith('napi_')));
  assert.ok(needs.libraries.includes('libc.so.6'));
  assert.deepEqual(binary.excesses(needs, { glibcMax: GLIBC }), []);
});

test('what a binary may not ask for is found', () => {
  const lines = [
    '0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) free',
    '0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.39) strlcpy',
    '0000000000000000  w   D  *UND*\t0000000000000000  Base        __gmon_start__',
    '0000000000000000      D  *UND*\t0000000000000000  Base        napi_create_object',
    '0000000000000000      D  *UND*\t0000000000000000  Base        uv_poll_init',
    '0000000000000000      D  *UND*\t0000000000000000  Base        _ZN2v87Isolate3NewEv',
    '0000000000000000      DF *UND*\t0000000000000000 (OPENSSL_3.0.0) SSL_new',
  ];
  const symbols = lines.map(binary.parseSymbol);
  assert.equal(binary.glibcFloor(symbols), '2.39');
  assert.deepEqual(binary.excesses({ libraries: ['libc.so.6', 'libssl.so.3'], symbols }), [
    'it needs the library libssl.so.3',
    'it needs the symbol _ZN2v87Isolate3NewEv (Base)',
    'it needs the symbol SSL_new (OPENSSL_3.0.0)',
    `it needs glibc 2.39 (strlcpy), and ${binary.GLIBC_MAX} is the most`,
  ]);
});

test('versions are compared by number', () => {
  const sorted = ['2.2', '2.2.5', '2.9', '2.17', '2.28', '3.0'];
  for (const [index, version] of sorted.entries()) {
    assert.equal(binary.compareVersions(version, version), 0);
    for (const later of sorted.slice(index + 1)) {
      assert.ok(binary.compareVersions(version, later) < 0, `${version} ${later}`);
      assert.ok(binary.compareVersions(later, version) > 0, `${later} ${version}`);
    }
  }
});

test('without a flag nothing is published', () => {
  const { status, stdout, stderr } = release('--glibc-max', GLIBC);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /nothing is published without --publish\n$/);
  assert.match(stdout, /^@keirin\/linux-x64-gnu \d/m);
});

test('a platform without a binary stops the publishing, unless it is named', () => {
  const absent = PLATFORMS.filter(({ folder }) => !fs.existsSync(path.join(folder, 'keirin.node')));
  assert.ok(absent.length > 0, 'all platforms are built: this test needs one that is not');
  const { status, stderr } = release('--publish', '--without', 'linux-x64-gnu');
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`no binary for ${absent.map(({ name }) => name).join(', ')}`));
});

test('a binary that asks for a later glibc is not published, nor one checked for another', () => {
  const { status, stderr } = release('--publish', '--glibc-max', '2.2');
  assert.equal(status, 1);
  assert.match(stderr, /@keirin\/linux-x64-gnu: it needs glibc \d.* and 2\.2 is the most/);
  assert.match(stderr, /--glibc-max is for looking, not for publishing/);
});

test('flags that are not known are refused', () => {
  for (const parameters of [['--now'], ['--glibc-max'], ['--without', 'plan9-x64']]) {
    const { status, stderr } = release(...parameters);
    assert.equal(status, 1);
    assert.match(stderr, /^release: (what is|there is no platform)/);
  }
});
