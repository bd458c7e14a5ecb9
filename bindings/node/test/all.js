'use strict';

// Runs every script of package.json whose name begins with `test:`, and none that is not listed
// here: a script that was forgotten on either side is an error.

const { spawnSync } = require('node:child_process');

const NAMES = ['types', 'api', 'guard', 'inspect', 'programs', 'package', 'nodes'];
const ORDER = NAMES.map((name) => `test:${name}`);

const present = Object.keys(require('./package.json').scripts);
const scripts = present.filter((name) => name.startsWith('test:'));
const failed = [
  ...ORDER.filter((name) => !scripts.includes(name)).map((name) => `${name} (absent)`),
  ...scripts.filter((name) => !ORDER.includes(name)).map((name) => `${name} (not in all.js)`),
];
for (const name of ORDER.filter((each) => scripts.includes(each))) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync('npm', ['run', '--silent', name], { stdio: 'inherit' });
  if (status !== 0) {
    failed.push(name);
  }
}
console.log(failed.length === 0 ? '\nall passed' : `\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
