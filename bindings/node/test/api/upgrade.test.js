'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve, serveLogged } = require('./support/server');
const { connect, request } = require('./support/raw');
const { dial, open, HANDSHAKE, ACCEPT, frame, takeFrame } = require('./support/websocket');
const { deferred, until } = require('./support/wait');

/** The three headers of a handshake. */
function offered(req) {
  return [
    req.getHeader('sec-websocket-key'),
    req.getHeader('sec-websocket-protocol'),
    req.getHeader('sec-websocket-extensions'),
  ];
}

both('without an upgrade handler every handshake is accepted', async (t) => {
  const { port } = serve(t, (app) => app.ws('/*', {}));
  const client = await connect(t, port);
  client.write(request('GET', '/chat', HANDSHAKE));
  const response = await client.head();
  assert.equal(response.statusLine, 'HTTP/1.1 101 Switching Protocols');
  assert.equal(response.header('sec-websocket-accept'), ACCEPT);
  assert.equal(response.header('upgrade').toLowerCase(), 'websocket');
  assert.equal(response.header('connection').toLowerCase(), 'upgrade');
  assert.equal(response.header('sec-websocket-protocol'), undefined);
  assert.equal(response.header('sec-websocket-extensions'), undefined);
});

both('upgrade within its handler, with data of the user', async (t) => {
  const seen = deferred();
  const hidden = Symbol('hidden');
  const { port } = serve(t, (app) => {
    app.ws('/:room', {
      upgrade: (res, req, context) => {
        const data = {
          room: req.getParameter(0), query: req.getQuery('q'), [hidden]: 1, url: req.getUrl(),
        };
        res.upgrade(data, ...offered(req), context);
        data.room = 'changed';
      },
      open: (ws) => seen.resolve({ ws, same: ws.getUserData() === ws }),
    });
  });
  await open(t, port, '/lobby?q=1');
  const { ws, same } = await seen.promise;
  assert.equal(same, true);
  assert.equal(ws.room, 'lobby');
  assert.equal(ws.url, '/lobby');
  assert.equal(ws.query, '1');
  assert.equal(ws[hidden], 1);
});

both('upgrade later, from a copy of the headers', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        const headers = offered(req);
        let aborted = false;
        res.onAborted(() => {
          aborted = true;
        });
        setTimeout(() => {
          if (!aborted) {
            res.cork(() => res.upgrade({ from: 'later' }, ...headers, context));
          }
        }, 5);
      },
      open: (ws) => ws.send(ws.from),
      message: (ws, message) => ws.send(message),
    });
  });
  const client = await open(t, port, '/');
  assert.equal(await client.text(), 'later');
  client.send('echo');
  assert.equal(await client.text(), 'echo');
});

own('upgrade after an await, from the request itself', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: async (res, req, context) => {
        await new Promise((resolve) => setImmediate(resolve));
        res.upgrade({ from: req.getUrl() }, ...offered(req), context);
      },
      open: (ws) => ws.send(ws.from),
    });
  });
  const client = await open(t, port, '/path');
  assert.equal(await client.text(), '/path');
});

both('a peer that leaves before the upgrade aborts', async (t) => {
  const aborted = deferred();
  const arrived = deferred();
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res) => {
        res.onAborted(aborted.resolve);
        arrived.resolve();
      },
      open: () => assert.fail('opened'),
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/', HANDSHAKE));
  await arrived.promise;
  client.reset();
  await aborted.promise;
});

both('an upgrade handler may refuse', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', { upgrade: (res) => res.writeStatus('401 Unauthorized').end('no') });
  });
  const client = dial(t, port);
  const event = await client.take('refused');
  assert.equal(event.status, 401);
});

both('an upgrade handler may yield', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', { upgrade: (res, req) => req.setYield(true) });
    app.any('/*', (res) => res.writeStatus('403 Forbidden').end());
  });
  const client = dial(t, port);
  assert.equal((await client.take('refused')).status, 403);
});

both('headers of the upgrade, after its status', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        res.writeStatus('101 Switching Protocols')
          .writeHeader('X-Mine', 'yes')
          .writeHeader('Set-Cookie', 'a=b');
        res.upgrade({}, ...offered(req), context);
      },
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/', HANDSHAKE));
  const response = await client.head();
  assert.equal(response.status, 101);
  assert.equal(response.header('x-mine'), 'yes');
  assert.equal(response.header('set-cookie'), 'a=b');
  assert.equal(response.header('sec-websocket-accept'), ACCEPT);
});

both('the protocol that is given is answered', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        const [key, , extensions] = offered(req);
        res.upgrade({}, key, 'second', extensions, context);
      },
    });
  });
  const client = await open(t, port, '/', ['first', 'second']);
  assert.equal(client.socket.protocol, 'second');
});

both('the first of several protocols is taken', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => res.upgrade({}, ...offered(req), context),
    });
  });
  const client = await open(t, port, '/', ['first', 'second']);
  assert.equal(client.socket.protocol, 'first');
});

both('protocol and extensions may be undefined', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        const [key] = offered(req);
        res.upgrade({}, key, undefined, undefined, context);
      },
      open: (ws) => ws.send('open'),
    });
  });
  const client = await open(t, port, '/');
  assert.equal(client.socket.protocol, '');
  assert.equal(await client.text(), 'open');
});

own('the data of the user may be nothing', async (t) => {
  for (const data of [undefined, null]) {
    const { port } = serve(t, (app) => {
      app.ws('/*', {
        upgrade: (res, req, context) => res.upgrade(data, ...offered(req), context),
        open: (ws) => ws.send('open'),
      });
    });
    assert.equal(await (await open(t, port, '/')).text(), 'open');
  }
});

own('open comes right after the callback that upgraded', async (t) => {
  const order = [];
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        setImmediate(() => order.push('next turn'));
        res.upgrade({}, ...offered(req), context);
        order.push('upgraded');
      },
      open: () => order.push('open'),
    });
  });
  await open(t, port);
  await until(() => order.length === 3);
  assert.deepEqual([...order].sort(), ['next turn', 'open', 'upgraded']);
  assert.equal(order.at(-1), 'next turn');
});

own('upgrade with other than five arguments does nothing, and warns', async (t) => {
  const { port, warnings } = serveLogged(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        res.upgrade({}, req.getHeader('sec-websocket-key'), '', context);
        res.writeStatus('400 Bad Request').end('four');
      },
    });
  });
  const client = dial(t, port);
  assert.equal((await client.take('refused')).status, 400);
  await until(() => warnings().length > 0);
});

both('a response is done after its upgrade', async (t) => {
  const seen = deferred();
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        res.upgrade({}, ...offered(req), context);
        let thrown = null;
        try {
          res.writeHeader('late', 'yes');
        } catch (error) {
          thrown = error;
        }
        seen.resolve(thrown);
      },
      message: (ws, message) => ws.send(message),
    });
  });
  const client = await open(t, port);
  await seen.promise;
  client.send('still well');
  assert.equal(await client.text(), 'still well');
});

own('frames that follow the handshake at once are not lost', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', { message: (ws, message) => ws.send(message) });
  });
  const client = await connect(t, port);
  client.write(Buffer.concat([request('GET', '/', HANDSHAKE), frame(1, 'early')]));
  assert.equal((await client.head()).status, 101);
  assert.equal((await takeFrame(client)).data.toString(), 'early');
});

own('a handshake of another version is answered 426', async (t) => {
  const { port } = serve(t, (app) => app.ws('/*', {}));
  const client = await connect(t, port);
  client.write(request('GET', '/', { ...HANDSHAKE, 'Sec-WebSocket-Version': '12' }));
  const response = await client.head();
  assert.equal(response.status, 426);
  assert.equal(response.header('sec-websocket-version'), '13');
});

both('the request\'s headers may be read in upgrade', async (t) => {
  const seen = deferred();
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        const all = {};
        req.forEach((key, value) => {
          all[key] = value;
        });
        seen.resolve(all);
        res.upgrade({}, ...offered(req), context);
      },
    });
  });
  await open(t, port, '/', [], { headers: { cookie: 'session=1' } });
  const all = await seen.promise;
  assert.equal(all.cookie, 'session=1');
  assert.equal(all['sec-websocket-version'], '13');
});

own('the data of a socket that has gone may be given to another', async (t) => {
  let [data, closed] = [{ name: 'first' }, false];
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => res.upgrade(data, ...offered(req), context),
      open: (ws) => {
        data = ws.getUserData();
      },
      message: (ws) => ws.send(ws.name),
      close: () => {
        closed = true;
      },
    });
  });
  const first = await open(t, port);
  first.socket.close();
  await until(() => closed);
  const second = await open(t, port);
  second.send('x');
  assert.equal(await second.text(), 'first');
});
