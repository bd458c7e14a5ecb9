'use strict';

// The guide, docs/node.md: every piece of code in it runs, and does what the text says.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const { WebSocket } = require('ws');

const ROOT = path.join(__dirname, '../..');
const PAGES = {
  guide: path.join(ROOT, '../../docs/node.md'),
  readme: path.join(ROOT, 'README.md'),
};
const DEADLINE_MS = 60_000;

// A project that has keirin under both of its names.
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-guide-'));
fs.mkdirSync(path.join(project, 'node_modules'));
for (const name of ['keirin', 'uWebSockets.js']) {
  fs.symlinkSync(ROOT, path.join(project, 'node_modules', name));
}
after(() => fs.rmSync(project, { recursive: true }));

/** The pieces of code of a page, each with its language and the heading that it stands under. */
function pieces(file) {
  const found = [];
  let heading;
  let piece;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence && piece === undefined) {
      piece = { heading, language: fence[1], lines: [] };
    } else if (fence) {
      found.push({ ...piece, text: `${piece.lines.join('\n')}\n` });
      piece = undefined;
    } else if (piece !== undefined) {
      piece.lines.push(line);
    } else {
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
    }
  }
  return found;
}

/** A port that is free, from below those that the kernel gives to whoever asks for any. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = net.createServer();
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false)).listen(port, () => resolve(true));
    });
    if (isFree) {
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
  }
}

/** Runs a program of the guide on another port than the 3000 that it names, until the test ends. */
async function run(t, name, text) {
  const port = await freePort();
  const file = path.join(project, name);
  fs.writeFileSync(file, text.replaceAll('3000', String(port)));
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output.text += chunk;
      child.emit('said');
    });
  }
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const says = async (expected, count = 1) => {
    while (output.text.split(expected).length <= count) {
      assert.equal(child.exitCode, null, `it ended without ${expected}: ${output.text}`);
      await Promise.race([once(child, 'said'), ended]);
    }
  };
  return { port, child, ended, says, output };
}

async function ask(port, target, { method = 'GET', content } = {}) {
  const request = http.request({ host: '127.0.0.1', port, path: target, method, agent: false });
  request.end(content);
  const [answer] = await once(request, 'response');
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    text += chunk;
  }
  return { status: answer.statusCode, headers: answer.headers, text };
}

/** What each program is to do, by the heading that it stands under. */
const PROGRAMS = {
  async Hello({ port, says }) {
    await says(`http://localhost:${port}/hello/you`);
    const { text, headers } = await ask(port, '/hello/you');
    assert.equal(text, 'Hello you!');
    assert.equal(headers['content-type'], 'text/plain');
    const { status } = await ask(port, '/elsewhere', { method: 'POST', content: 'x' });
    assert.equal(status, 404);
  },

  async WebSockets({ port, says }) {
    await says('ws://');
    const refused = new WebSocket(`ws://127.0.0.1:${port}/rooms/garden`);
    const [, answer] = await once(refused, 'unexpected-response');
    assert.equal(answer.statusCode, 400);
    refused.on('error', () => {}).terminate();
    const said = [];
    const join = async (name) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/rooms/garden?name=${name}`);
      socket.on('message', (data) => {
        said.push(`${name} < ${data}`);
        socket.emit('heard');
      });
      await once(socket, 'open');
      return socket;
    };
    const heard = async (socket, line) => {
      while (!said.includes(line)) {
        await once(socket, 'heard');
      }
    };
    const one = await join('one');
    await heard(one, 'one < one is here');
    const two = await join('two');
    await heard(one, 'one < two is here');
    two.send('hello');
    await heard(one, 'one < two: hello');
    await heard(two, 'two < two: hello');
    two.close();
    await heard(one, 'one < two has left');
    one.terminate();
  },

  async 'Handlers that wait'({ port, says }) {
    await says('/echo');
    const content = 'x'.repeat(100_000);
    const { text, headers } = await ask(port, '/echo', { method: 'POST', content });
    assert.equal(text, content);
    assert.equal(headers['x-path'], '/echo');
    const long = 'x'.repeat(1024 * 1024 + 1);
    const { status } = await ask(port, '/echo', { method: 'POST', content: long });
    assert.equal(status, 500);
  },

  async 'When a handler fails'({ port, says }) {
    await says('/users/7');
    const failed = await ask(port, '/users/7');
    assert.equal(failed.status, 500);
    assert.equal(failed.text, '/users/7: there is no user 7');
    assert.equal((await ask(port, '/forgotten')).status, 500);
    await says('/forgotten');
    await says('warn: ', 2);
  },

  async Stop({ port, child, ended, says }) {
    await says('http://');
    const [answer] = await once(http.get({ host: '127.0.0.1', port, agent: false }), 'response');
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) {
      if (text === '') {
        child.kill('SIGTERM');
      }
      text += chunk;
    }
    assert.equal(text, 'This takes a while, and is not lost.');
    await says('stopped in good order');
    assert.deepEqual(await ended, [0, null]);
  },

  async Options({ port, says }) {
    await says('http://');
    assert.equal((await ask(port, '/')).text, 'hello');
    await says('GET /');
  },

  async 'Several threads'({ port, says }) {
    await says('http://', 2);
    for (let count = 0; count < 10; count++) {
      assert.match((await ask(port, '/')).text, /^thread [12]$/);
    }
  },

  async keirin({ port, says }) {
    await says('http://');
    assert.equal((await ask(port, '/some/path')).text, 'You asked for /some/path');
    const socket = new WebSocket(`ws://127.0.0.1:${port}/echo`);
    await once(socket, 'open');
    socket.send('hello');
    const [data, isBinary] = await once(socket, 'message');
    assert.deepEqual([String(data), isBinary], ['hello', false]);
    socket.terminate();
  },
};

const all = [...pieces(PAGES.guide), ...pieces(PAGES.readme)];
const programs = all.filter(({ language }) => language === 'js');

test('every program has a test, and every test a program', () => {
  assert.deepEqual(programs.map(({ heading }) => heading).sort(), Object.keys(PROGRAMS).sort());
  const languages = new Set(all.map(({ language }) => language));
  assert.deepEqual([...languages].sort(), ['js', 'json', 'sh', 'ts']);
});

for (const { heading, text } of programs) {
  test(`the program of "${heading}" does what it says`, { timeout: DEADLINE_MS }, async (t) => {
    const running = await run(t, `${heading.replaceAll(' ', '-')}.js`, text);
    await PROGRAMS[heading](running);
  });
}

test('programs of the guide run as modules, too', { timeout: DEADLINE_MS }, async (t) => {
  const { text } = programs.find(({ heading }) => heading === 'Hello');
  const module = text.replace(/^const (.*) = require\((.*)\);$/m, 'import $1 from $2;');
  assert.match(module, /^import /);
  await PROGRAMS.Hello(await run(t, 'hello.mjs', module));
});

test('what is TypeScript compiles', () => {
  const typed = all.filter(({ language }) => language === 'ts');
  assert.ok(typed.length > 0);
  const compiler = require.resolve('typescript/bin/tsc');
  for (const [index, { text }] of typed.entries()) {
    const file = path.join(project, `typed-${index}.ts`);
    fs.writeFileSync(file, text);
    const flags = ['--noEmit', '--strict', '--module', 'node16', '--target', 'es2022'];
    execFileSync(process.execPath, [compiler, ...flags, file], { cwd: project, stdio: 'inherit' });
  }
});

test('what stands for package.json names the version that there is', () => {
  const { version } = require('../../package.json');
  const described = all.filter(({ language }) => language === 'json');
  assert.ok(described.length >= 3);
  for (const { text } of described) {
    const object = JSON.parse(text.trimStart().startsWith('{') ? text : `{${text}}`);
    assert.equal(object.dependencies['uWebSockets.js'], `npm:keirin@^${version}`);
  }
});

test('commands for a shell are those that install it', () => {
  const commands = all.filter(({ language }) => language === 'sh').map(({ text }) => text);
  assert.deepEqual(commands, ['npm install keirin\n']);
});
