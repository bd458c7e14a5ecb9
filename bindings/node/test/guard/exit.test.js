'use strict';

// What keeps a process alive, what ends it, and what does not.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { entry, both, own } = require('../api/support/implementation');
const { connect, request, fetch } = require('../api/support/raw');
const { open } = require('../api/support/websocket');
const { sleep, until } = require('../api/support/wait');

/** A program with `uws`, and `listen(app)`, which prints the port. */
class Program {
  constructor(t, source) {
    const prelude = `
      const uws = require(${JSON.stringify(entry)});
      const listen = (app) => {
        let token;
        app.listen(0, (value) => { token = value; });
        console.log(uws.us_socket_local_port(token));
        return token;
      };
    `;
    this.child = spawn(process.execPath, [...process.execArgv, '-e', prelude + source], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => this.child.kill('SIGKILL'));
    this.output = '';
    this.errors = '';
    this.child.stdout.on('data', (data) => {
      this.output += data;
    });
    this.child.stderr.on('data', (data) => {
      this.errors += data;
    });
    this.ended = null;
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.ended = signal ?? code;
        resolve(this.ended);
      });
    });
  }

  /** The first line of its output, as a number. */
  port() {
    return this.line(/^(\d+)\n/).then(Number);
  }

  line(pattern) {
    return until(() => {
      const found = pattern.exec(this.output);
      if (!found && this.ended !== null) {
        throw new Error(`ended with ${this.ended}: ${this.output} ${this.errors}`);
      }
      return found?.[1] ?? found?.[0];
    });
  }

  async exitsWith(expected) {
    const ended = await this.exited;
    assert.equal(ended, expected, `${this.output} ${this.errors}`);
  }
}

const ENDS = {
  'only loads the module': '',
  'has apps that never listened': 'for (let n = 0; n < 100; n++) uws.App().get("/", () => {});',
  'closes its app': 'const app = uws.App(); listen(app); app.close();',
  'closes its listen socket': 'const app = uws.App(); uws.us_listen_socket_close(listen(app));',
  'could not listen': 'uws.App().listen("256.1.1.1", 1, () => {});',
  'closes later': 'const app = uws.App(); listen(app); setTimeout(() => app.close(), 20);',
};

for (const [name, source] of Object.entries(ENDS)) {
  both(`a program that ${name} ends`, async (t) => {
    await new Program(t, source).exitsWith(0);
  });
}

own('a program that stops ends', async (t) => {
  await new Program(t, 'const app = uws.App(); listen(app); app.stop();').exitsWith(0);
});

both('a program that listens stays, and serves', async (t) => {
  const program = new Program(t, `
    const app = uws.App().get('/', (res) => res.end('here'));
    listen(app);
  `);
  const port = await program.port();
  await sleep(300);
  assert.equal(program.ended, null);
  assert.equal((await fetch(t, port, '/')).text, 'here');
});

own('a connection keeps a program alive, and nothing but it', async (t) => {
  const program = new Program(t, `
    const app = uws.App().get('/', (res) => {
      uws.us_listen_socket_close(token);
      res.end('here');
    });
    const token = listen(app);
  `);
  const client = await connect(t, await program.port());
  for (let count = 0; count < 3; count++) {
    client.write(request('GET', '/'));
    assert.equal((await client.response()).text, 'here');
    await sleep(50);
  }
  assert.equal(program.ended, null);
  client.destroy();
  await program.exitsWith(0);
});

own('a WebSocket keeps a program alive, and nothing but it', async (t) => {
  const program = new Program(t, `
    const app = uws.App().ws('/', {
      open: () => uws.us_listen_socket_close(token),
      message: (ws, message) => ws.send(message),
      close: (ws, code) => console.log('closed', code),
    });
    const token = listen(app);
  `);
  const client = await open(t, await program.port());
  await sleep(100);
  client.send('still there');
  assert.equal(await client.text(), 'still there');
  client.socket.close(4000);
  await program.exitsWith(0);
  assert.match(program.output, /closed 4000/);
});

both('a signal ends a program that listens', async (t) => {
  const program = new Program(t, 'listen(uws.App());');
  await program.port();
  program.child.kill('SIGTERM');
  await program.exitsWith('SIGTERM');
});

/** Where a program calls `leave()`, and what its client does. */
const LEAVES = {
  'a handler': { routes: 'app.get("/", () => leave());' },
  'a handler after its answer': { routes: 'app.get("/", (res) => { res.end("x"); leave(); });' },
  'a handler after an await': { routes: 'app.get("/", async () => { await null; leave(); });' },
  'cork': { routes: 'app.get("/", (res) => res.cork(() => leave()));' },
  'onData': { routes: 'app.get("/", (res) => res.onData(() => leave()));' },
  'collectBody': { routes: 'app.get("/", (res) => res.collectBody(9, () => leave()));' },
  'forEach': { routes: 'app.get("/", (res, req) => req.forEach(() => leave()));' },
  'onAborted': { routes: 'app.get("/", (res) => { res.onAborted(() => leave()); res.close(); });' },
  'filter': { routes: 'app.filter(() => leave());' },
  'onWritable': {
    routes: `
      const large = Buffer.alloc(4e7);
      app.get("/", (res) => {
        res.onAborted(() => {});
        res.onWritable(() => leave());
        res.tryEnd(large, large.length);
      });
    `,
  },
  'upgrade': { routes: 'app.ws("/", { upgrade: () => leave() });', socket: true },
  'open': { routes: 'app.ws("/", { open: () => leave() });', socket: true },
  'message': { routes: 'app.ws("/", { message: () => leave() });', socket: true },
  'close': {
    routes: 'app.ws("/", { message: (ws) => ws.end(), close: () => leave() });', socket: true,
  },
  'a cork of a WebSocket': {
    routes: 'app.ws("/", { open: (ws) => ws.cork(() => leave()) });', socket: true,
  },
};

for (const [name, { routes, socket }] of Object.entries(LEAVES)) {
  for (const way of ['exit', 'reallyExit']) {
    own(`process.${way} within ${name}`, async (t) => {
      const program = new Program(t, `
        const leave = () => process.${way}(7);
        const app = uws.App();
        ${routes}
        listen(app);
      `);
      const port = await program.port();
      if (socket) {
        open(t, port).then((client) => client.send('x'), () => {});
      } else {
        const client = await connect(t, port);
        client.write(request('GET', '/'));
      }
      await program.exitsWith(7);
    });
  }
}

own('process.exit within the callback of listen', async (t) => {
  await new Program(t, 'uws.App().listen(0, () => process.exit(7));').exitsWith(7);
});

/** How a program answers just before it ends. Where it is not `own`, uWebSockets.js sends too. */
const LAST_WORDS = {
  'later': { handler: '(res) => setTimeout(() => { res.end("sent"); process.exit(7); }, 10)' },
  'within a handler': { handler: '(res) => { res.end("sent"); process.exit(7); }', test: own },
  'within a cork': {
    handler: '(res) => res.cork(() => { res.end("sent"); process.exit(7); })', test: own,
  },
  'after an await': {
    handler: 'async (res) => { await null; res.end("sent"); process.exit(7); }', test: own,
  },
  'with an exception later': {
    handler: '(res) => setTimeout(() => { res.end("sent"); throw new Error("later"); }, 10)',
    ended: 1,
  },
  'with a large body': {
    handler: '(res) => { res.end("sent".repeat(50_000)); process.exit(7); }',
  },
};

for (const [name, { handler, ended = 7, test = both }] of Object.entries(LAST_WORDS)) {
  test(`what was answered ${name} is sent, though the process ends`, async (t) => {
    const program = new Program(t, `
      const handler = ${handler};
      listen(uws.App().get('/', (res) => { res.onAborted(() => {}); return handler(res); }));
    `);
    const client = await connect(t, await program.port());
    client.write(request('GET', '/'));
    assert.match((await client.response()).text, /^(sent)+$/);
    await program.exitsWith(ended);
  });
}

for (const where of ['a handler', 'a timer']) {
  own(`what is sent while the process exits within ${where} is there`, async (t) => {
    const program = new Program(t, `
      const leave = () => process.exit(7);
      let pending;
      let socket;
      const app = uws.App()
        .get('/', (res) => {
          res.onAborted(() => {});
          pending = res;
          ${where === 'a timer' ? 'setTimeout(leave, 1)' : 'leave()'};
        })
        .ws('/ws', { open: (ws) => { socket = ws; ws.subscribe('topic'); } });
      process.on('exit', () => {
        pending.writeStatus('503 Leaving').writeHeader('a', 'b');
        pending.write('last ');
        pending.end('words');
        socket.send('one');
        app.publish('topic', 'two');
      });
      listen(app);
    `);
    const port = await program.port();
    const listener = await open(t, port, '/ws');
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    const answer = await client.response();
    assert.equal(answer.status, 503);
    assert.equal(answer.header('a'), 'b');
    assert.equal(answer.text, 'last words');
    assert.equal(await listener.text(), 'one');
    assert.equal(await listener.text(), 'two');
    await program.exitsWith(7);
  });
}

own('messages that were sent and published are there, though the process ends', async (t) => {
  const program = new Program(t, `
    const app = uws.App().ws('/', {
      open: (ws) => ws.subscribe('topic'),
      message: (ws) => { ws.send('one'); app.publish('topic', 'two'); process.exit(7); },
    });
    listen(app);
  `);
  const client = await open(t, await program.port());
  client.send('x');
  assert.equal(await client.text(), 'one');
  assert.equal(await client.text(), 'two');
  await program.exitsWith(7);
});

own('an exception that nobody catches ends a program as ever', async (t) => {
  const program = new Program(t, `
    listen(uws.App());
    setTimeout(() => { throw new Error('elsewhere'); }, 10);
  `);
  await program.exitsWith(1);
  assert.match(program.errors, /Error: elsewhere/);
});

own('calls while the process exits', async (t) => {
  const program = new Program(t, `
    let pending;
    let socket;
    const app = uws.App()
      .get('/', (res) => { res.onAborted(() => {}); pending = res; process.exit(7); })
      .ws('/ws', { open: (ws) => { socket = ws; ws.subscribe('topic'); } });
    process.on('exit', () => {
      pending.writeHeader('a', 'b').end('last words');
      socket.send('last words');
      app.publish('topic', 'last words');
      socket.close();
      app.close();
      app.counters();
      uws.App().listen(0, () => {});
    });
    listen(app);
  `);
  const port = await program.port();
  await open(t, port, '/ws');
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await program.exitsWith(7);
});

const ELSEWHERE = {
  'an uncaughtException in a timer': `
    process.on('uncaughtException', (error) => console.log('caught', error.message));
    setInterval(() => { throw new Error('elsewhere'); }, 5);
  `,
  'an unhandledRejection': `
    process.on('unhandledRejection', (error) => console.log('caught', error.message));
    setInterval(() => { Promise.reject(new Error('elsewhere')); }, 5);
  `,
  'an uncaughtException in what a handler left behind': `
    process.on('uncaughtException', (error) => console.log('caught', error.message));
    app.get('/elsewhere', (res) => {
      process.nextTick(() => { throw new Error('elsewhere'); });
      setImmediate(() => { throw new Error('elsewhere'); });
      queueMicrotask(() => { throw new Error('elsewhere'); });
      res.end('behind');
    });
  `,
};

for (const [name, source] of Object.entries(ELSEWHERE)) {
  own(`${name} leaves a server well`, async (t) => {
    const program = new Program(t, `
      const app = uws.App();
      app.get('/', (res) => res.end('well'));
      app.get('/later', async (res) => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        res.end('later');
      });
      listen(app);
      ${source}
    `);
    const port = await program.port();
    const client = await connect(t, port);
    if (source.includes('/elsewhere')) {
      client.write(request('GET', '/elsewhere'));
      assert.equal((await client.response()).text, 'behind');
    }
    await program.line(/caught elsewhere/);
    for (let count = 0; count < 10; count++) {
      client.write(Buffer.concat([request('GET', '/'), request('GET', '/later')]));
      assert.equal((await client.response()).text, 'well');
      assert.equal((await client.response()).text, 'later');
    }
    assert.equal(program.ended, null);
  });
}

own('an onLog that throws or rejects leaves a server well', async (t) => {
  const program = new Program(t, `
    let calls = 0;
    const fail = () => { throw new Error('within onLog'); };
    const app = uws.App().onLog(() => (calls++ === 0 ? fail() : Promise.reject(new Error('again'))));
    listen(app.get('/', () => {}));
  `);
  const port = await program.port();
  for (let count = 0; count < 3; count++) {
    assert.equal((await fetch(t, port, '/')).status, 500);
  }
  await until(() => /onLog has rejected: Error: again/.test(program.errors));
  assert.match(program.errors, /onLog has thrown: Error: within onLog/);
  assert.equal(program.ended, null);
});

own('apps that nobody keeps go on serving', async (t) => {
  const program = new Program(t, `
    require('node:v8').setFlagsFromString('--expose-gc');
    const collect = require('node:vm').runInNewContext('gc');
    listen(uws.App().get('/', (res) => { collect(); res.end('here'); }));
    setInterval(collect, 5);
  `);
  const port = await program.port();
  const client = await connect(t, port);
  for (let count = 0; count < 20; count++) {
    client.write(request('GET', '/'));
    assert.equal((await client.response()).text, 'here');
  }
});

own('a thread ends its own process.exit only', async (t) => {
  const program = new Program(t, `
    const { Worker } = require('node:worker_threads');
    listen(uws.App().get('/', (res) => res.end('main')));
    const worker = new Worker(\`
      const uws = require(${JSON.stringify(entry)});
      const http = require('node:http');
      const app = uws.App().get('/', () => process.exit(3));
      app.listen(0, (token) => {
        http.get({ port: uws.us_socket_local_port(token) }).on('error', () => {});
      });
    \`, { eval: true });
    worker.on('exit', (code) => console.log('thread ended with', code));
  `);
  const port = await program.port();
  await program.line(/thread ended with 3/);
  assert.equal((await fetch(t, port, '/')).text, 'main');
});

own('a thread that closes its app ends by itself', async (t) => {
  const program = new Program(t, `
    const { Worker } = require('node:worker_threads');
    const worker = new Worker(\`
      const uws = require(${JSON.stringify(entry)});
      const app = uws.App();
      app.listen(0, () => {});
      setTimeout(() => app.close(), 20);
    \`, { eval: true });
    worker.on('exit', (code) => console.log('thread ended with', code));
  `);
  await program.exitsWith(0);
  assert.match(program.output, /thread ended with 0/);
});

own('adoptSocket takes nothing for the standard input', async (t) => {
  const source = `
    const app = require(${JSON.stringify(entry)}).App();
    for (const value of [undefined, null, NaN, '', '0', false, [], {}, 2 ** 32, 0.5, -1]) {
      try {
        app.adoptSocket(value);
        console.log('took', value);
      } catch {}
    }
    app.adoptSocket(0);
    console.log('done');
    process.exit();
  `;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for await (const data of child.stdout) {
    output += data;
  }
  assert.equal(output, 'done\n');
});
