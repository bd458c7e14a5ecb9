'use strict';

// Runs all tests here, or those whose path contains one of the arguments:
//
//     node run.js [socket-io] [backpressure] ...
//
// With KEIRIN_TEST_PEER set to the folder of uWebSockets.js's package they run on that instead.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

// Only what hangs meets it.
const FILE_DEADLINE_MS = 180_000;

function testFiles(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      return testFiles(file);
    }
    return entry.name.endsWith('.test.js') ? [file] : [];
  });
}

function run(command, args) {
  const { error, status } = spawnSync(command, args, { cwd: __dirname, stdio: 'inherit' });
  if (error) {
    throw error;
  }
  if (status !== 0) {
    process.exit(status ?? 1);
  }
}

if (!fs.existsSync(path.join(__dirname, 'node_modules/.package-lock.json'))) {
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

const wanted = process.argv.slice(2);
const files = testFiles(path.join(__dirname, 'tests'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test has ${wanted.join(' or ')} in its path`);
  process.exit(1);
}
run(process.execPath, ['--test', `--test-timeout=${FILE_DEADLINE_MS}`, ...files]);
