'use strict';

// Runs test files, each in a process of its own, and fails those that do not end by themselves.
//
//   node run.js [--node PATH]... [--nodes] [--inspect] [--jobs N] [FOLDER | FILE]...
//
// `--node` runs them with another Node, and may be repeated; `--nodes` runs them with all that are
// installed in nodes/. `--inspect` runs them with the inspector on. Without a folder or file
// everything in api/ and guard/ is run.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const FILE_DEADLINE_MS = Number(process.env.KEIRIN_TEST_FILE_DEADLINE_MS || 300_000);

function parse(parameters) {
  const options = { nodes: [], flags: [], jobs: 2, targets: [] };
  for (let at = 0; at < parameters.length; at++) {
    const parameter = parameters[at];
    if (parameter === '--node') {
      options.nodes.push(parameters[++at]);
    } else if (parameter === '--nodes') {
      options.nodes.push(...installedNodes());
    } else if (parameter === '--inspect') {
      options.flags.push('--inspect=0');
    } else if (parameter === '--jobs') {
      options.jobs = Number(parameters[++at]);
    } else if (parameter.startsWith('--')) {
      throw new Error(`unknown option ${parameter}`);
    } else {
      options.targets.push(parameter);
    }
  }
  if (options.nodes.length === 0) {
    options.nodes.push(process.execPath);
  }
  if (options.targets.length === 0) {
    options.targets.push(path.join(__dirname, 'api'), path.join(__dirname, 'guard'));
  }
  return options;
}

function installedNodes() {
  const folder = path.join(__dirname, 'nodes', 'node_modules');
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const nodes = names.filter((name) => /^node-\d+$/.test(name));
  if (nodes.length === 0) {
    throw new Error('no Node is installed: npm ci --ignore-scripts --prefix nodes');
  }
  return nodes.map((name) => path.join(folder, name, 'bin', 'node'));
}

function files(name) {
  const target = fs.existsSync(name) ? name : path.join(__dirname, name);
  if (fs.statSync(target).isFile()) {
    return [target];
  }
  const names = fs.readdirSync(target).filter((name) => name.endsWith('.test.js')).sort();
  if (names.length === 0) {
    throw new Error(`no tests in ${target}`);
  }
  return names.map((name) => path.join(target, name));
}

function run(node, flags, file) {
  return new Promise((resolve) => {
    const child = spawn(node, [...flags, file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (data) => {
      output += data;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const deadline = setTimeout(() => {
      output += `\nstill running after ${FILE_DEADLINE_MS} ms\n`;
      child.kill('SIGKILL');
    }, FILE_DEADLINE_MS);
    child.on('close', (code, signal) => {
      clearTimeout(deadline);
      resolve({ file, output, ended: signal ?? code, passed: code === 0 });
    });
  });
}

async function runAll(node, { flags, jobs }, list) {
  const queue = [...list];
  const failed = [];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await run(node, flags, file);
      const name = path.relative(__dirname, file);
      const count = /^(?:#|ℹ) pass (\d+)$/m.exec(result.output)?.[1] ?? '?';
      if (result.passed) {
        console.log(`ok      ${name} (${count})`);
      } else {
        failed.push(name);
        console.log(`FAILED  ${name} (${result.ended})\n${result.output}`);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return failed;
}

async function main() {
  const options = parse(process.argv.slice(2));
  const list = options.targets.flatMap(files);
  let failures = 0;
  for (const node of options.nodes) {
    console.log(`${node} ${options.flags.join(' ')}`);
    const failed = await runAll(node, options, list);
    failures += failed.length;
    console.log(failed.length === 0 ? 'all passed' : `failed: ${failed.join(' ')}`);
  }
  process.exitCode = failures === 0 ? 0 : 1;
}

main();
