'use strict';

// What npm would publish: exactly the files that are meant to be, and nothing that runs when a
// package is installed.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { LICENCES, ROOT } = require('./platforms.js');

// Scripts of these names run on the machines of those who install.
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare'];

/** The name, version and paths that `npm pack` puts together for a folder. */
function packed(folder) {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const described = JSON.parse(output);
  // A list of one package, or since npm 12 an object with one key.
  const { files, ...rest } = Object.values(described)[0];
  return { ...rest, paths: files.map((file) => file.path).sort() };
}

/** What the tarball of the main package has to hold. */
function mainFiles() {
  const layer = fs.readdirSync(path.join(ROOT, 'lib'), { recursive: true, withFileTypes: true });
  const modules = layer
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath ?? entry.path, entry.name)));
  const entries = ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts'];
  return [...entries, ...modules, ...LICENCES, 'README.md', 'package.json'].sort();
}

function platformFiles() {
  return ['keirin.node', ...LICENCES, 'package.json'].sort();
}

/** What is wrong with a package, in words. */
function faults(folder, expected) {
  const { paths } = packed(folder);
  const description = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const scripts = Object.keys(description.scripts ?? {});
  return [
    ...expected.filter((file) => !paths.includes(file)).map((file) => `${file} is missing`),
    ...paths.filter((file) => !expected.includes(file)).map((file) => `${file} is too much`),
    ...INSTALL_SCRIPTS.filter((name) => scripts.includes(name)).map((name) => `script ${name}`),
  ];
}

module.exports = { faults, mainFiles, packed, platformFiles };
