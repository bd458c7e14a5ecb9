'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { fetch, connect, request } = require('./support/raw');
const { open } = require('./support/websocket');

const METHODS = {
  get: 'GET',
  post: 'POST',
  options: 'OPTIONS',
  del: 'DELETE',
  patch: 'PATCH',
  put: 'PUT',
  trace: 'TRACE',
};

const answer = (text) => (res) => res.end(text);

for (const [name, method] of Object.entries(METHODS)) {
  both(`app.${name} routes ${method} and nothing else`, async (t) => {
    const { port } = serve(t, (app) => app[name]('/a', answer(name)));
    const response = await fetch(t, port, '/a', { method });
    assert.equal(response.status, 200);
    assert.equal(response.text, name);
    const other = method === 'PUT' ? 'GET' : 'PUT';
    assert.notEqual((await fetch(t, port, '/a', { method: other })).status, 200);
  });
}

both('app.head routes HEAD', async (t) => {
  const { port } = serve(t, (app) => app.head('/a', (res) => res.endWithoutBody(42)));
  const response = await fetch(t, port, '/a', { method: 'HEAD' });
  assert.equal(response.status, 200);
  assert.equal(response.header('content-length'), '42');
});

both('app.any routes every method', async (t) => {
  const { port } = serve(t, (app) => app.any('/a', (res, req) => res.end(req.getMethod())));
  for (const method of Object.values(METHODS)) {
    assert.equal((await fetch(t, port, '/a', { method })).text, method.toLowerCase());
  }
});

both('a path without a route is answered 404', async (t) => {
  const { port } = serve(t, (app) => app.get('/a', answer('a')));
  const response = await fetch(t, port, '/b');
  assert.equal(response.status, 404);
});

both('a method\'s own routes go before those of any', async (t) => {
  const { port } = serve(t, (app) => app.any('/*', answer('any')).get('/*', answer('get')));
  assert.equal((await fetch(t, port, '/a')).text, 'get');
  assert.equal((await fetch(t, port, '/a', { method: 'PUT' })).text, 'any');
});

both('the same pattern again replaces the handler', async (t) => {
  const { port } = serve(t, (app) => app.get('/a', answer('first')).get('/a', answer('second')));
  assert.equal((await fetch(t, port, '/a')).text, 'second');
});

both('null removes a route', async (t) => {
  const { app, port } = serve(t, (app) => app.get('/a', answer('a')).any('/*', answer('any')));
  assert.equal((await fetch(t, port, '/a')).text, 'a');
  assert.equal(app.get('/a', null), app);
  assert.equal((await fetch(t, port, '/a')).text, 'any');
});

own('removing what is not there is nothing', async (t) => {
  const { app, port } = serve(t, (app) => app.get('/a', answer('a')));
  assert.equal(app.get('/none', null), app);
  assert.equal(app.post('/a', null), app);
  assert.equal((await fetch(t, port, '/a')).text, 'a');
});

both('routes may come while the app listens', async (t) => {
  const { app, port } = serve(t, () => {});
  app.get('/later', answer('later'));
  assert.equal((await fetch(t, port, '/later')).text, 'later');
});

both('a route may be registered and removed by a handler', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/once', (res) => {
      app.get('/more', answer('more'));
      app.get('/once', null);
      res.end('once');
    });
  });
  assert.equal((await fetch(t, port, '/once')).text, 'once');
  assert.notEqual((await fetch(t, port, '/once')).status, 200);
  assert.equal((await fetch(t, port, '/more')).text, 'more');
  assert.ok(app);
});

const PRECEDENCE = [
  // pattern that has to match, path
  ['/static', '/static'],
  ['/:p', '/other'],
  ['/*', '/a/b/c'],
  ['/*', '/'],
  ['/s/static', '/s/static'],
  ['/s/:p', '/s/other'],
  ['/s/*', '/s/'],
  ['/s/*', '/s/x/y'],
  ['/:p', '/s'],
  ['/:p/end', '/a/end'],
  ['/:p/:q/end', '/a/b/end'],
  ['/*', '/a/'],
  ['/:p', '/%73tatic'],
  ['/:p', '/Static'],
  ['/s/*', '/s//x'],
  ['/*', '//'],
];

for (const reversed of [false, true]) {
  both(`text goes before names before *, registered ${reversed ? 'backwards' : 'in order'}`,
    async (t) => {
      const patterns = [...new Set(PRECEDENCE.map(([pattern]) => pattern))];
      if (reversed) {
        patterns.reverse();
      }
      const { port } = serve(t, (app) => {
        for (const pattern of patterns) {
          app.get(pattern, answer(pattern));
        }
      });
      const client = await connect(t, port);
      for (const [pattern, path] of PRECEDENCE) {
        client.write(request('GET', path));
        assert.equal((await client.response()).text, pattern, path);
      }
    });
}

both('paths are matched without the query, undecoded and with their dots', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/a', answer('a')).get('/b/../a', answer('dots')).get('/*', answer('other'));
  });
  assert.equal((await fetch(t, port, '/a?b=c')).text, 'a');
  assert.equal((await fetch(t, port, '/b/../a')).text, 'dots');
  assert.equal((await fetch(t, port, '/%61')).text, 'other');
});

both('a trailing slash is another path', async (t) => {
  const { port } = serve(t, (app) => app.get('/a', answer('a')).get('/a/', answer('a/')));
  assert.equal((await fetch(t, port, '/a')).text, 'a');
  assert.equal((await fetch(t, port, '/a/')).text, 'a/');
});

both('parameters by index and by name', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/:first/x/:second', (res, req) => {
      res.end(JSON.stringify([
        req.getParameter(0), req.getParameter(1),
        req.getParameter('first'), req.getParameter('second'),
      ]));
    });
  });
  const response = await fetch(t, port, '/a%20b/x/c.d?q');
  assert.deepEqual(JSON.parse(response.text), ['a%20b', 'c.d', 'a%20b', 'c.d']);
});

both('names are those of the route, not of its neighbours', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/:one/a', (res, req) => res.end(req.getParameter('one')));
    app.get('/:two/b', (res, req) => res.end(req.getParameter('two')));
  });
  assert.equal((await fetch(t, port, '/x/a')).text, 'x');
  assert.equal((await fetch(t, port, '/y/b')).text, 'y');
});

both('a handler that yields hands over to the next match', async (t) => {
  const order = [];
  const step = (name, yields) => (res, req) => {
    order.push(name);
    if (yields) {
      req.setYield(true);
    } else {
      res.end(order.join(' '));
    }
  };
  const { port } = serve(t, (app) => {
    app.any('/*', step('any', false));
    app.get('/*', step('rest', true));
    app.get('/:p', step('name', true));
    app.get('/a', step('text', true));
  });
  assert.equal((await fetch(t, port, '/a')).text, 'text name rest any');
});

both('setYield returns the request, and false takes it back', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/a', (res, req) => {
      assert.equal(req.setYield(true), req);
      req.setYield(false);
      res.end('kept');
    });
    app.get('/*', answer('rest'));
  });
  assert.equal((await fetch(t, port, '/a')).text, 'kept');
});

both('parameters of the route that yielded to', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/a/:late', (res, req) => res.end(req.getParameter(0)));
    app.get('/a/b', (res, req) => req.setYield(true));
  });
  assert.equal((await fetch(t, port, '/a/b')).text, 'b');
});

own('when everybody yields it is 404, and the connection goes on', async (t) => {
  const { port } = serve(t, (app) => app.any('/*', (res, req) => req.setYield(true)));
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('GET', '/a'));
    assert.equal((await client.response()).status, 404);
  }
});

both('a plain request on a pattern of WebSockets goes to the next route', async (t) => {
  const { port } = serve(t, (app) => {
    app.ws('/*', { open: (ws) => ws.send('socket') });
    app.any('/*', answer('plain'));
  });
  assert.equal((await fetch(t, port, '/a')).text, 'plain');
  const client = await open(t, port, '/a');
  assert.equal(await client.text(), 'socket');
});

both('routes of WebSockets go before those of their pattern', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/a', answer('plain'));
    app.ws('/a', { open: (ws) => ws.send('socket') });
  });
  const client = await open(t, port, '/a');
  assert.equal(await client.text(), 'socket');
  assert.equal((await fetch(t, port, '/a')).text, 'plain');
});

both('routes of WebSockets go before more exact ones of plain requests', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', answer('plain')).get('/a', answer('plain')).get('/a/:b', answer('plain'));
    app.ws('/*', { open: (ws) => ws.send('socket') });
  });
  for (const path of ['/', '/a', '/a/b', '/other']) {
    const client = await open(t, port, path);
    assert.equal(await client.text(), 'socket', path);
  }
  assert.equal((await fetch(t, port, '/a')).text, 'plain');
});

both('patterns are bytes too', async (t) => {
  const { port } = serve(t, (app) => app.get(Buffer.from('/bytes'), answer('bytes')));
  assert.equal((await fetch(t, port, '/bytes')).text, 'bytes');
});

both('domain leaves the routes of an app without TLS where they are', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/a', answer('a'));
    assert.equal(app.domain('example.org'), app);
    app.get('/b', answer('b'));
  });
  assert.equal((await fetch(t, port, '/a')).text, 'a');
  assert.equal((await fetch(t, port, '/b')).text, 'b');
});

both('two apps have routes of their own', async (t) => {
  const first = serve(t, (app) => app.get('/', answer('first')));
  const second = serve(t, (app) => app.get('/', answer('second')));
  assert.equal((await fetch(t, first.port, '/')).text, 'first');
  assert.equal((await fetch(t, second.port, '/')).text, 'second');
});

both('app.connect takes a handler', (t) => {
  const { app } = serve(t, () => {});
  assert.equal(app.connect('/a', answer('a')), app);
  assert.equal(app.connect('/a', null), app);
});
