'use strict';

// The packages as npm makes them: packed, installed into an empty folder without a network, and
// used there by programs of both kinds of modules, under every Node that is installed.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { nodes } = require('../nodes');

const ROOT = path.join(__dirname, '../..');
const PLATFORM = path.join(ROOT, 'npm/linux-x64-gnu');
const DEADLINE_MS = 60_000;

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-package-'));
const tarballs = {};

before(() => {
  const binary = path.join(PLATFORM, 'keirin.node');
  assert.ok(fs.existsSync(binary), `${binary} is absent: npm run build, in bindings/node`);
  for (const [name, folder] of [['keirin', ROOT], ['@keirin/linux-x64-gnu', PLATFORM]]) {
    tarballs[name] = path.join(base, npm(folder, 'pack', '--silent', '--pack-destination', base));
  }
});

after(() => fs.rmSync(base, { recursive: true }));

/** Runs npm as one who has never used it would: with a cache of its own, that is empty. */
function npm(cwd, ...parameters) {
  const env = { ...process.env, npm_config_cache: path.join(base, 'cache') };
  const stdio = ['ignore', 'pipe', 'pipe'];
  const options = { cwd, env, stdio, encoding: 'utf8', timeout: DEADLINE_MS };
  return execFileSync('npm', parameters, options).trim();
}

/** A new project with these dependencies, installed offline. */
function project(name, dependencies) {
  const folder = path.join(base, name);
  fs.mkdirSync(folder);
  const description = { name, version: '1.0.0', private: true, dependencies };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(description));
  npm(folder, 'install', '--offline', '--no-audit', '--no-fund');
  return folder;
}

/** Answers one request, after a while, with what it was asked for, and then ends by itself. */
const BODY = `
const app = App();
app.get('/hello/:name', async (res, req) => {
  await new Promise((resolve) => setImmediate(resolve));
  res.end('hello ' + req.getParameter(0), true);
  app.stop();
}).listen('127.0.0.1', 0, (token) => process.stdout.write(us_socket_local_port(token) + '\\n'));
`;

const PROGRAMS = {
  'program.cjs': (name) => `const { App, us_socket_local_port } = require('${name}');${BODY}`,
  'named.mjs': (name) => `import { App, us_socket_local_port } from '${name}';${BODY}`,
  'default.mjs': (name) =>
    `import uWS from '${name}';\nconst { App, us_socket_local_port } = uWS;${BODY}`,
};

async function serves(node, file) {
  const child = spawn(node, [file], { stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE_MS });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), ended]);
  const port = Number(first[0]);
  assert.ok(port > 0, `${node} ${file} ended with ${first}`);
  const request = http.get({ host: '127.0.0.1', port, path: '/hello/you', agent: false });
  const [answer] = await once(request, 'response');
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    text += chunk;
  }
  assert.equal(answer.statusCode, 200);
  assert.equal(text, 'hello you');
  assert.deepEqual(await ended, [0, null]);
}

const LAYOUTS = {
  keirin: () => ({
    keirin: `file:${tarballs.keirin}`,
    '@keirin/linux-x64-gnu': `file:${tarballs['@keirin/linux-x64-gnu']}`,
  }),
  'uWebSockets.js': () => ({
    'uWebSockets.js': `file:${tarballs.keirin}`,
    '@keirin/linux-x64-gnu': `file:${tarballs['@keirin/linux-x64-gnu']}`,
  }),
};

for (const [name, dependencies] of Object.entries(LAYOUTS)) {
  test(`installed offline as ${name}, it serves`, async (t) => {
    const folder = project(`as-${name.toLowerCase()}`, dependencies());
    const here = { name: `this Node, ${process.version}`, executable: process.execPath };
    for (const [file, text] of Object.entries(PROGRAMS)) {
      fs.writeFileSync(path.join(folder, file), text(name));
    }
    for (const node of [here, ...nodes]) {
      const isAbsent = node.executable === undefined;
      const skip = isAbsent && `${node.name} is absent: npm ci in test/nodes installs it`;
      await t.test(node.name, { skip }, async () => {
        for (const file of Object.keys(PROGRAMS)) {
          await serves(node.executable, path.join(folder, file));
        }
      });
    }
  });
}

test('without the package of the platform it says what to do', () => {
  const folder = project('alone', { keirin: `file:${tarballs.keirin}` });
  const load = () => execFileSync(process.execPath, ['-e', "require('keirin')"], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  assert.throws(load, (error) => {
    assert.match(error.stderr, /keirin found no binary that it can load\./);
    assert.match(error.stderr, /ERR_KEIRIN_NATIVE/);
    assert.match(error.stderr, /npm install @keirin\/linux-x64-gnu@/);
    return true;
  });
});
