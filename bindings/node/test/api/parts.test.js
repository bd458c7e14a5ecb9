'use strict';

const assert = require('node:assert/strict');
const { uws, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');

const BOUNDARY = '----boundary7MA4';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

/** A body of parts, each a list of header lines and its data. */
function body(parts, boundary = BOUNDARY) {
  const pieces = [];
  for (const [lines, data] of parts) {
    const head = lines.map((line) => `${line}\r\n`).join('');
    pieces.push(Buffer.from(`--${boundary}\r\n${head}\r\n`), Buffer.from(data));
    pieces.push(Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return Buffer.concat(pieces);
}

/** What `getParts` gives, with data as text. */
function parts(data, type = TYPE) {
  return uws.getParts(data, type)?.map(({ data, ...rest }) => {
    assert.ok(data instanceof ArrayBuffer);
    return { ...rest, data: Buffer.from(data).toString('latin1') };
  });
}

const field = (name, data) => [[`Content-Disposition: form-data; name="${name}"`], data];

both('fields and files', () => {
  const found = parts(body([
    field('title', 'A title'),
    [[
      'Content-Disposition: form-data; name="upload"; filename="a b.txt"',
      'Content-Type: text/plain',
    ], 'line\r\nline'],
  ]));
  assert.deepEqual(found, [
    { name: 'title', data: 'A title' },
    { name: 'upload', filename: 'a b.txt', type: 'text/plain', data: 'line\r\nline' },
  ]);
});

both('binary data is as it was', () => {
  const data = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const [part] = uws.getParts(body([field('data', Buffer.concat([data, data]))]), TYPE);
  assert.ok(Buffer.from(part.data).equals(Buffer.concat([data, data])));
});

both('an empty part and an empty list', () => {
  assert.deepEqual(parts(body([field('empty', '')])), [{ name: 'empty', data: '' }]);
  assert.deepEqual(parts(body([])), []);
});

both('the data is a copy', () => {
  const given = body([field('a', 'before')]);
  const [part] = uws.getParts(given, TYPE);
  given.fill(0);
  assert.equal(Buffer.from(part.data).toString(), 'before');
});

both('bodies of every kind', () => {
  const text = body([field('a', 'b')]);
  const whole = text.buffer.slice(text.byteOffset, text.byteOffset + text.byteLength);
  for (const given of [text.toString(), Buffer.from(text), whole, new Uint8Array(text)]) {
    assert.deepEqual(parts(given), [{ name: 'a', data: 'b' }]);
  }
});

both('a content type of every kind', () => {
  assert.deepEqual(parts(body([field('a', 'b')]), Buffer.from(TYPE)), [{ name: 'a', data: 'b' }]);
});

both('what is no multipart is undefined', () => {
  for (const type of [
    '', 'text/plain', 'application/json', 'multipart', 'multipart/form-data', undefined,
  ]) {
    assert.equal(uws.getParts(body([field('a', 'b')]), type), undefined, String(type));
  }
});

both('a preamble is skipped', () => {
  const given = Buffer.concat([Buffer.from('preamble\r\n'), body([field('a', 'b')])]);
  const found = parts(given);
  assert.ok(Array.isArray(found));
});

both('ten headers are read, and eleven are too many', () => {
  const lines = (count) => Array.from({ length: count }, (_, at) => {
    return at === 0 ? 'Content-Disposition: form-data; name="a"' : `X-${at}: y`;
  });
  assert.deepEqual(parts(body([[lines(9), 'b']])), [{ name: 'a', data: 'b' }]);
  assert.deepEqual(parts(body([[lines(11), 'b']])), []);
});

const COMPLETE = body([field('a', 'first'), field('b', 'second')]);

both('a body that is cut anywhere is a list of what was whole', () => {
  for (let length = 0; length <= COMPLETE.length; length++) {
    const found = parts(Buffer.from(COMPLETE.subarray(0, length)));
    assert.ok(Array.isArray(found), `cut at ${length}`);
    assert.ok(found.length <= 2);
    if (found[0]) {
      assert.equal(found[0].data, 'first', `cut at ${length}`);
    }
  }
  assert.equal(parts(Buffer.from(COMPLETE)).length, 2);
});

own('a body with any byte changed is a list, and the process lives', () => {
  for (let at = 0; at < COMPLETE.length; at++) {
    for (const value of [0, 10, 13, 32, 34, 45, 58, 59, 61, 255]) {
      const given = Buffer.from(COMPLETE);
      given[at] = value;
      const found = parts(given);
      assert.ok(Array.isArray(found) && found.length <= 2, `${value} at ${at}`);
      for (const { data } of found) {
        assert.ok(data.length <= COMPLETE.length);
      }
    }
  }
});

const MALFORMED = {
  'nothing': '',
  'no boundary': 'some text without any boundary',
  'another boundary': body([field('a', 'b')], 'other'),
  'headers without an end': `--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n`,
  'a boundary alone': `--${BOUNDARY}`,
  'an end alone': `--${BOUNDARY}--`,
  'line feeds alone': `--${BOUNDARY}\nContent-Disposition: form-data\n\nb\n--${BOUNDARY}--\n`,
};

for (const [name, given] of Object.entries(MALFORMED)) {
  both(`a malformed body: ${name}`, () => {
    assert.deepEqual(parts(Buffer.from(given)), []);
  });
}

own('a header without a colon names nothing', () => {
  const found = parts(body([[['Content-Disposition'], 'b']]));
  assert.ok(found.every(({ name }) => name === undefined));
});

own('parameters without quotes, and quotes that do not end', () => {
  for (const disposition of [
    'form-data; name=a', 'form-data; name="a', 'form-data; name=', 'form-data;', ';', '',
    'form-data; name="a"; filename=', 'form-data; filename="x"',
  ]) {
    const found = parts(body([[[`Content-Disposition: ${disposition}`], 'b']]));
    assert.ok(Array.isArray(found), disposition);
    assert.ok(found.every(({ data }) => data === 'b'), disposition);
  }
});

own('a boundary may be in quotes', () => {
  const type = `multipart/form-data; boundary="${BOUNDARY}"`;
  const found = parts(body([field('a', 'b')]), type);
  assert.ok(found === undefined || found.length <= 1);
});

both('a part of many megabytes', () => {
  const data = Buffer.alloc(4_000_000, 'abcdefg\r\n--');
  const [part] = uws.getParts(body([field('a', data)]), TYPE);
  assert.ok(Buffer.from(part.data).equals(data));
});

both('many parts', () => {
  const list = Array.from({ length: 1000 }, (_, at) => field(`name${at}`, `data${at}`));
  const found = parts(body(list));
  assert.equal(found.length, 1000);
  assert.deepEqual(found[999], { name: 'name999', data: 'data999' });
});

both('data and types that cannot be strings throw', () => {
  const message = 'Text and data can only be passed by String, ArrayBuffer or ArrayBufferView.';
  for (const value of [null, 1, {}, true]) {
    assert.throws(() => uws.getParts(value, TYPE), { message });
    assert.throws(() => uws.getParts('', value), { message });
  }
});

both('parts of an upload, in onData', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/', (res, req) => {
      const type = req.getHeader('content-type');
      res.onAborted(() => {});
      const pieces = [];
      res.onData((data, isLast) => {
        pieces.push(Buffer.from(Buffer.from(data)));
        if (isLast) {
          res.end(JSON.stringify(parts(Buffer.concat(pieces), type)));
        }
      });
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Type': TYPE }, body([field('a', 'b')])));
  const response = await client.response();
  assert.deepEqual(JSON.parse(response.text), [{ name: 'a', data: 'b' }]);
});
