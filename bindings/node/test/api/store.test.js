'use strict';

const assert = require('node:assert/strict');
const { Worker } = require('node:worker_threads');
const { uws, entry, both, own } = require('./support/implementation');

let collections = 0;

/** A collection of its own. */
function collection() {
  collections += 1;
  return `collection ${process.pid} ${collections}`;
}

// The peer's lists have holes.
const stringKeys = (name) => uws.getStringKeys(name).filter(() => true).sort();
const integerKeys = (name) => uws.getIntegerKeys(name).filter(() => true).sort();

both('strings', () => {
  const name = collection();
  assert.equal(uws.getString('a', name), '');
  assert.equal(uws.setString('a', 'text \u20ac', name), undefined);
  assert.equal(uws.getString('a', name), 'text \u20ac');
  uws.setString('a', 'other', name);
  assert.equal(uws.getString('a', name), 'other');
  assert.equal(uws.getString('a', collection()), '');
});

both('integers', () => {
  const name = collection();
  assert.equal(uws.getInteger('a', name), 0);
  assert.equal(uws.setInteger('a', 41, name), undefined);
  assert.equal(uws.getInteger('a', name), 41);
  assert.equal(uws.incInteger('a', 1, name), 42);
  assert.equal(uws.incInteger('a', -2, name), 40);
  assert.equal(uws.getInteger('a', name), 40);
  assert.equal(uws.incInteger('new', 5, name), 5);
});

both('keys', () => {
  const name = collection();
  assert.deepEqual(stringKeys(name), []);
  assert.deepEqual(integerKeys(name), []);
  uws.setString('a', '1', name);
  uws.setString('b', '2', name);
  uws.setInteger('c', 3, name);
  assert.deepEqual(stringKeys(name), ['a', 'b']);
  assert.deepEqual(integerKeys(name), ['c']);
});

own('lists of keys have no holes', () => {
  const name = collection();
  uws.setString('a', '1', name);
  uws.setInteger('b', 1, name);
  assert.equal(uws.getStringKeys(name).length, 1);
  assert.equal(uws.getIntegerKeys(name).length, 1);
});

both('reading makes an entry', () => {
  const name = collection();
  uws.getString('read', name);
  uws.getInteger('read', name);
  assert.deepEqual(stringKeys(name), ['read']);
  assert.deepEqual(integerKeys(name), ['read']);
});

both('entries and collections are deleted', () => {
  const name = collection();
  uws.setString('a', '1', name);
  uws.setString('b', '2', name);
  uws.setInteger('a', 1, name);
  uws.setInteger('b', 2, name);
  assert.equal(uws.deleteString('a', name), undefined);
  assert.equal(uws.deleteInteger('a', name), undefined);
  assert.deepEqual(stringKeys(name), ['b']);
  assert.deepEqual(integerKeys(name), ['b']);
  assert.equal(uws.deleteStringCollection(name), undefined);
  assert.equal(uws.deleteIntegerCollection(name), undefined);
  assert.deepEqual(stringKeys(name), []);
  assert.deepEqual(integerKeys(name), []);
  uws.deleteString('none', collection());
  uws.deleteInteger('none', collection());
  uws.deleteStringCollection(collection());
  uws.deleteIntegerCollection(collection());
});

both('keys and values are every kind of string', () => {
  const name = collection();
  uws.setString(Buffer.from('a'), new Uint8Array([98, 99]).buffer, Buffer.from(name));
  assert.equal(uws.getString('a', name), 'bc');
  const message = 'Text and data can only be passed by String, ArrayBuffer or ArrayBufferView.';
  for (const value of [null, 1, {}]) {
    assert.throws(() => uws.getString(value, name), { message });
    assert.throws(() => uws.setString('a', value, name), { message });
    assert.throws(() => uws.getInteger('a', value), { message });
  }
});

both('threads share it, and lock it', async () => {
  const name = collection();
  const count = 2000;
  const source = `
    const uws = require(${JSON.stringify(entry)});
    for (let turn = 0; turn < ${count}; turn++) {
      uws.lock();
      const before = uws.getInteger('count', ${JSON.stringify(name)});
      uws.setInteger('count', before + 1, ${JSON.stringify(name)});
      uws.unlock();
    }
    uws.lock();
    uws.setString('last', 'from a thread', ${JSON.stringify(name)});
    uws.unlock();
  `;
  const threads = [0, 1].map(() => new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true });
    worker.on('error', reject);
    worker.on('exit', resolve);
  }));
  assert.deepEqual(await Promise.all(threads), [0, 0]);
  assert.equal(uws.getInteger('count', name), 2 * count);
  assert.equal(uws.getString('last', name), 'from a thread');
});
