'use strict';

// The Nodes that `npm ci` in this folder installs. As a program it runs the tests of api/ and
// guard/ with each of them.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const VERSIONS = Object.keys(require('./package.json').devDependencies);

/** Name and executable of each; without a path, one that is not installed. */
const nodes = VERSIONS.map((name) => {
  const executable = path.join(__dirname, 'node_modules', name, 'bin/node');
  return { name, executable: fs.existsSync(executable) ? executable : undefined };
});

function main() {
  const absent = nodes.filter(({ executable }) => executable === undefined);
  if (absent.length > 0) {
    const names = absent.map(({ name }) => name).join(', ');
    throw new Error(`absent: ${names}; npm ci, in ${__dirname}, installs them`);
  }
  const flags = nodes.flatMap(({ executable }) => ['--node', executable]);
  const run = [path.join(__dirname, '../run.js'), ...flags, ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, run, { stdio: 'inherit' }).status ?? 1;
}

if (require.main === module) {
  main();
}

module.exports = { nodes };
