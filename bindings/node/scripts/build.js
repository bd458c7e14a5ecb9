'use strict';

// Builds the binary and puts it into the package of its platform:
//
//   npm run build                        for the machine that builds
//   npm run build -- --target TRIPLE     for another, as rustup and the linker allow
//
// docs/node-packaging.md says which targets were built where.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
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

/** The target that `--target` names, or the one of this machine. */
function chosenTarget(parameters) {
  if (parameters.length === 0) {
    return { target: hostTarget(), flags: [] };
  }
  const [flag, target, ...rest] = parameters;
  if (flag !== '--target' || target === undefined || rest.length > 0) {
    throw new Error('usage: npm run build [-- --target TRIPLE]');
  }
  return { target, flags: ['--target', target] };
}

/** Where cargo says that it has put the library. */
function build(flags) {
  const command = ['build', '--release', '--locked', '--package', CRATE];
  const messages = cargo([...command, '--message-format=json-render-diagnostics', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
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
  const { target, flags } = chosenTarget(process.argv.slice(2));
  const platform = PLATFORMS.find((candidate) => candidate.target === target);
  if (platform === undefined) {
    const known = PLATFORMS.map((candidate) => candidate.target).join(' ');
    throw new Error(`there is no package for ${target}; there is one for: ${known}`);
  }
  const library = build(flags);
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
