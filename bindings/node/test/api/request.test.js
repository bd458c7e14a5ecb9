'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');

/** What `read` gives of the request to `target`. */
async function seen(t, read, target = '/', options = {}, pattern = '/*') {
  let result;
  const { port } = serve(t, (app) => {
    app.any(pattern, (res, req) => {
      result = read(req);
      res.end();
    });
  });
  await fetch(t, port, target, options);
  return result;
}

both('getUrl is the path as sent', async (t) => {
  assert.equal(await seen(t, (req) => req.getUrl(), '/a%20b/../c;d?e=f'), '/a%20b/../c;d');
  assert.equal(await seen(t, (req) => req.getUrl(), '/'), '/');
});

both('getMethod is in small letters', async (t) => {
  assert.equal(await seen(t, (req) => req.getMethod(), '/', { method: 'DELETE' }), 'delete');
});

both('getCaseSensitiveMethod is as sent', async (t) => {
  const read = (req) => req.getCaseSensitiveMethod();
  assert.equal(await seen(t, read, '/', { method: 'DELETE' }), 'DELETE');
});

own('getCaseSensitiveMethod is as sent after getMethod too', async (t) => {
  const read = (req) => [req.getMethod(), req.getCaseSensitiveMethod(), req.getMethod()];
  assert.deepEqual(await seen(t, read, '/', { method: 'PUT' }), ['put', 'PUT', 'put']);
});

both('getHeader by the name in small letters, trimmed, the first of several', async (t) => {
  const result = await new Promise((resolve, reject) => {
    const { port } = serve(t, (app) => {
      app.get('/', (res, req) => {
        resolve(['x-a', 'x-b', 'x-c', 'host', 'none', ''].map((key) => req.getHeader(key)));
        res.end();
      });
    });
    connect(t, port).then((client) => client.write(
      'GET / HTTP/1.1\r\nHost: h\r\nX-A:  1 \t\r\nx-a: 2\r\nX-B:\r\nx-C: \u00e9 b\r\n\r\n',
    ), reject);
  });
  assert.deepEqual(result.slice(0, 2), ['1', '']);
  assert.equal(result[3], 'h');
  assert.deepEqual(result.slice(4), ['', '']);
});

both('getHeader is Latin-1', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => res.end(req.getHeader('x-a') === 'a\u00e9\u00ffb' ? 'same' : 'not'));
  });
  const client = await connect(t, port);
  client.write(request('GET', '/', { 'X-A': 'a\u00e9\u00ffb' }));
  assert.equal((await client.response()).text, 'same');
});

both('forEach gives all headers in order, names in small letters', async (t) => {
  const all = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      assert.equal(req.forEach((key, value) => all.push([key, value])), undefined);
      res.end();
    });
  });
  const client = await connect(t, port);
  client.write('GET / HTTP/1.1\r\nHost: h\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nEmpty:\r\n\r\n');
  await client.response();
  assert.deepEqual(all, [['host', 'h'], ['x-b', '1'], ['x-a', '2'], ['x-b', '3'], ['empty', '']]);
});

both('forEach decodes UTF-8', async (t) => {
  let value;
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      req.forEach((key, given) => {
        value = key === 'x-a' ? given : value;
      });
      res.end();
    });
  });
  const client = await connect(t, port);
  client.write(Buffer.from('GET / HTTP/1.1\r\nHost: h\r\nX-A: a\u20acb\r\n\r\n'));
  await client.response();
  assert.equal(value, 'a\u20acb');
});

both('what the callback of forEach throws comes out of it', async (t) => {
  const result = await seen(t, (req) => {
    try {
      req.forEach(() => {
        throw new Error('enough');
      });
    } catch (error) {
      return error.message;
    }
    return 'nothing';
  });
  assert.equal(result, 'enough');
});

own('forEach wants a function', async (t) => {
  const result = await seen(t, (req) => {
    try {
      req.forEach(1);
    } catch (error) {
      return error.message;
    }
    return 'nothing';
  });
  assert.equal(result, 'Passed callback is not a valid function.');
});

both('getQuery is what follows the question mark', async (t) => {
  const read = (req) => req.getQuery();
  assert.equal(await seen(t, read, '/a?b=c%20d&e'), 'b=c%20d&e');
  assert.equal(await seen(t, read, '/a?b?c'), 'b?c');
});

both('getQuery without a query', async (t) => {
  assert.equal(await seen(t, (req) => req.getQuery() || '', '/a'), '');
});

both('getQuery of a key is decoded', async (t) => {
  const read = (...keys) => (req) => keys.map((key) => req.getQuery(key));
  const result = await seen(t, read('a', 'b', 'c', 'd', 'none'),
    '/?a=1&b=x+y%20z%C3%A9&c=&d=%26%3D&a=2');
  assert.deepEqual(result, ['1', 'x y z\u00e9', '', '&=', undefined]);
});

own('getQuery of a key may be asked twice', async (t) => {
  const read = (req) => [req.getQuery('a'), req.getQuery('a'), req.getQuery()];
  assert.deepEqual(await seen(t, read, '/?a=%2541'), ['%41', '%41', 'a=%2541']);
});

both('getQuery of a key without any query', async (t) => {
  assert.equal(await seen(t, (req) => req.getQuery('a'), '/'), undefined);
});

own('a malformed escape in a query is no value', async (t) => {
  const read = (req) => ['a', 'b', 'c'].map((key) => req.getQuery(key) || '');
  assert.deepEqual(await seen(t, read, '/?a=%zz&b=%4&c=1'), ['', '', '1']);
});

both('getParameter of what is not there is empty', async (t) => {
  const read = (req) => [req.getParameter(1), req.getParameter('none')].map((value) => value || '');
  assert.deepEqual(await seen(t, read, '/x', {}, '/:a'), ['', '']);
});

both('a request takes properties of the user', async (t) => {
  const result = await seen(t, (req) => {
    req.method = 'mine';
    req.headers = { a: 1 };
    return [req.method, req.headers.a, req.getMethod()];
  });
  assert.deepEqual(result, ['mine', 1, 'get']);
});

const AFTER = 'uWS.HttpRequest must not be accessed after await or route handler return. '
  + 'See documentation for uWS.HttpRequest and consult the user manual.';

const CALLS = {
  getHeader: ['host'],
  getParameter: [0],
  getUrl: [],
  getMethod: [],
  getCaseSensitiveMethod: [],
  getQuery: ['a'],
  forEach: [() => {}],
  setYield: [true],
};

both('after a handler returned its request throws', async (t) => {
  let kept;
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      kept = req;
      req.mine = 1;
      res.end();
    });
  });
  await fetch(t, port, '/');
  assert.equal(kept.mine, 1);
  for (const [name, parameters] of Object.entries(CALLS)) {
    assert.throws(() => kept[name](...parameters), { message: AFTER }, name);
  }
});

own('a handler that returned a promise may read its request for ever', async (t) => {
  let kept;
  const { port } = serve(t, (app) => {
    app.get('/:p', async (res, req) => {
      kept = req;
      await new Promise((resolve) => setImmediate(resolve));
      res.end(`${req.getUrl()} ${req.getHeader('x-a')}`);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/one?a=b%20c', { 'X-A': '1', 'x-b': '2' }));
  assert.equal((await client.response()).text, '/one 1');
  client.write(request('GET', '/two', { 'X-A': 'other' }));
  const first = kept;
  assert.equal((await client.response()).text, '/two other');
  const all = [];
  first.forEach((key, value) => all.push([key, value]));
  assert.deepEqual(all, [['host', 'test'], ['x-a', '1'], ['x-b', '2']]);
  assert.equal(first.getUrl(), '/one');
  assert.equal(first.getMethod(), 'get');
  assert.equal(first.getCaseSensitiveMethod(), 'GET');
  assert.equal(first.getParameter(0), 'one');
  assert.equal(first.getParameter('p'), 'one');
  assert.equal(first.getQuery(), 'a=b%20c');
  assert.equal(first.getQuery('a'), 'b c');
  assert.equal(first.getHeader('none'), '');
});

own('a request after a synchronous handler throws, strictly too', async (t) => {
  let kept;
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      kept = req;
      res.end();
    });
  }, { strict: true });
  await fetch(t, port, '/');
  assert.throws(() => kept.getUrl(), { message: AFTER });
});
