'use strict';

// Builds the binary and puts it into the package of its platform:
//
//   npm run build                        for the machine that builds
//   npm run build -- --target TRIPLE     for another, as rustup and the linker allow
//   npm run build -- --glibc 2.28        for systems with that glibc or a later one: zig links
//
// docs/node-packaging.md says which targets were built where.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { LICENCES, PLATFORMS, ROOT } = require('./platforms.js');

const REPOSITORY = path.join(ROOT, '../..');
const CRATE = 'keirin-node';

function cargo(parameters, options) {
  return execFileSync(process.env.CARGO ?? 'cargo', parameters, {
    cwd: REPOSITORY,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  });
}

function hostTarget() {
  const version = execFileSync('rustc', ['--version', '--verbose'], { encoding: 'utf8' });
  return /^host: (.+)$/m.exec(version)[1];
}

/** What the parameters of the command say. */
function parse(parameters) {
  const options = { target: undefined, glibc: undefined };
  for (let at = 0; at < parameters.length; at += 2) {
    const [flag, value] = parameters.slice(at);
    const name = flag.replace(/^--/, '');
    if (!flag.startsWith('--') || !(name in options) || value === undefined) {
      throw new Error('usage: npm run build [-- [--target TRIPLE] [--glibc VERSION]]');
    }
    options[name] = value;
  }
  return options;
}

/**
 * The environment in which cargo links for that glibc. The system's own linker would take the
 * newest version of each function that the system has; zig knows what there was in each version.
 */
function linkingWithZig(target, glibc, folder) {
  const zig = process.env.KEIRIN_ZIG ?? 'zig';
  const linker = path.join(folder, 'cc');
  const triple = `${target.split('-')[0]}-linux-gnu.${glibc}`;
  fs.writeFileSync(linker, `#!/bin/sh\nexec ${zig} cc -target ${triple} "$@"\n`, { mode: 0o755 });
  const variable = target.toUpperCase().replaceAll('-', '_');
  return { ...process.env, [`CARGO_TARGET_${variable}_LINKER`]: linker };
}

/** Where cargo says that it has put the library. */
function build(flags, env) {
  const command = ['build', '--release', '--locked', '--package', CRATE];
  const messages = cargo([...command, '--message-format=json-render-diagnostics', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  const libraries = messages
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ reason, target }) => reason === 'compiler-artifact' && isCdylib(target))
    .flatMap(({ filenames }) => filenames)
    .filter((file) => /\.(so|dylib|dll)$/.test(file));
  if (libraries.length !== 1) {
    throw new Error(`cargo built ${libraries.length} libraries, not one: ${libraries.join(' ')}`);
  }
  return libraries[0];
}

function isCdylib(target) {
  return target.name.replaceAll('_', '-') === CRATE && target.crate_types.includes('cdylib');
}

/** Makes the file under another name first: a process that has the old one mapped keeps it. */
function put(from, to, change = () => {}) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, `${to}.new`);
  change(`${to}.new`);
  fs.renameSync(`${to}.new`, to);
}

/** Without what only debuggers read, which is most of it. */
function strip(file, platform) {
  if (platform.os === 'linux') {
    const tool = process.env.KEIRIN_STRIP ?? 'strip';
    execFileSync(tool, ['--strip-unneeded', file], { stdio: 'inherit' });
  }
}

function main() {
  const options = parse(process.argv.slice(2));
  const target = options.target ?? hostTarget();
  const platform = PLATFORMS.find((candidate) => candidate.target === target);
  if (platform === undefined) {
    const known = PLATFORMS.map((candidate) => candidate.target).join(' ');
    throw new Error(`there is no package for ${target}; there is one for: ${known}`);
  }
  const { glibc } = options;
  if (glibc !== undefined && platform.libc !== 'glibc') {
    throw new Error(`${target} has no glibc`);
  }
  const flags = options.target === undefined ? [] : ['--target', target];
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-build-'));
  const env = glibc === undefined ? process.env : linkingWithZig(target, glibc, scratch);
  const library = build(flags, env);
  fs.rmSync(scratch, { recursive: true });
  const binary = path.join(platform.folder, 'keirin.node');
  put(library, binary, (file) => strip(file, platform));
  for (const folder of [ROOT, platform.folder]) {
    for (const licence of LICENCES) {
      put(path.join(REPOSITORY, licence), path.join(folder, licence));
    }
  }
  const megabytes = (fs.statSync(binary).size / 1e6).toFixed(1);
  console.log(`${path.relative(REPOSITORY, binary)}: ${megabytes} MB for ${target}`);
}

try {
  main();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
