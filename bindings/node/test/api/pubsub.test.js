'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { open } = require('./support/websocket');
const { until } = require('./support/wait');

/** Serves `count` clients, each with its server's socket. */
async function crowd(t, count, behaviour = {}) {
  const sockets = [];
  const events = [];
  const { app, port } = serve(t, (app) => {
    app.ws('/*', {
      maxBackpressure: 0,
      subscription: (ws, topic, now, before) => {
        assert.ok(topic instanceof ArrayBuffer);
        events.push([Buffer.from(Buffer.from(topic)).toString(), now, before]);
      },
      ...behaviour,
      open: (ws) => {
        sockets.push(ws);
        behaviour.open?.(ws);
      },
    });
  });
  const clients = [];
  for (let at = 0; at < count; at++) {
    clients.push(await open(t, port));
    await until(() => sockets.length === at + 1);
  }
  return { app, port, sockets, clients, events };
}

both('subscribe, isSubscribed, getTopics, unsubscribe', async (t) => {
  const { app, sockets: [ws] } = await crowd(t, 1);
  assert.equal(ws.subscribe('a'), true);
  assert.equal(ws.subscribe('a'), true);
  assert.equal(ws.subscribe(Buffer.from('b/\u20ac')), true);
  assert.equal(ws.isSubscribed('a'), true);
  assert.equal(ws.isSubscribed('c'), false);
  assert.deepEqual(ws.getTopics().sort(), ['a', 'b/\u20ac']);
  assert.equal(app.numSubscribers('a'), 1);
  assert.equal(app.numSubscribers('none'), 0);
  assert.equal(ws.unsubscribe('a'), true);
  assert.equal(ws.unsubscribe('a'), false);
  assert.equal(ws.unsubscribe('none'), false);
  assert.equal(ws.isSubscribed('a'), false);
  assert.deepEqual(ws.getTopics(), ['b/\u20ac']);
  assert.equal(app.numSubscribers('a'), 0);
});

both('an app publishes to every subscriber', async (t) => {
  const { app, sockets, clients } = await crowd(t, 3);
  sockets[0].subscribe('news');
  sockets[2].subscribe('news');
  assert.equal(app.numSubscribers('news'), 2);
  assert.equal(app.publish('news', 'text'), true);
  assert.equal(app.publish('news', 'binary', true), true);
  assert.equal(app.publish('none', 'nobody'), false);
  for (const client of [clients[0], clients[2]]) {
    assert.equal(await client.text(), 'text');
    assert.equal((await client.binary()).toString(), 'binary');
  }
  sockets[1].send('alone');
  assert.equal(await clients[1].text(), 'alone');
});

both('a socket publishes to the others', async (t) => {
  const { sockets, clients } = await crowd(t, 3);
  for (const ws of sockets) {
    ws.subscribe('room');
  }
  assert.equal(sockets[0].publish('room', 'hello'), true);
  assert.equal(await clients[1].text(), 'hello');
  assert.equal(await clients[2].text(), 'hello');
  sockets[0].send('own');
  assert.equal(await clients[0].text(), 'own');
});

both('a socket that is alone in a topic publishes to nobody', async (t) => {
  const { sockets: [ws] } = await crowd(t, 2);
  ws.subscribe('room');
  assert.equal(ws.publish('room', 'hello'), false);
});

both('a socket that subscribes to nothing publishes nothing', async (t) => {
  const { sockets, clients } = await crowd(t, 2);
  sockets[1].subscribe('room');
  assert.equal(sockets[0].publish('room', 'unheard'), false);
  sockets[1].send('only this');
  assert.equal(await clients[1].text(), 'only this');
});

both('publish and send arrive in the order of the calls', async (t) => {
  const { app, sockets: [ws], clients: [client] } = await crowd(t, 1);
  ws.subscribe('a');
  ws.subscribe('b');
  const expected = [];
  for (let number = 0; number < 300; number++) {
    const message = String(number);
    expected.push(message);
    if (number % 3 === 0) {
      app.publish('a', message);
    } else if (number % 3 === 1) {
      ws.send(message);
    } else {
      app.publish('b', message);
    }
  }
  for (const message of expected) {
    assert.equal(await client.text(), message);
  }
});

both('large messages are published too', async (t) => {
  const { app, sockets, clients } = await crowd(t, 2);
  sockets.forEach((ws) => ws.subscribe('a'));
  for (const length of [16383, 16384, 65536, 200_000]) {
    app.publish('a', 'x'.repeat(length));
    for (const client of clients) {
      assert.equal((await client.text()).length, length);
    }
  }
});

both('many more messages than a socket keeps at once', async (t) => {
  const { app, sockets: [ws], clients: [client] } = await crowd(t, 1);
  ws.subscribe('a');
  for (let number = 0; number < 5000; number++) {
    app.publish('a', String(number));
  }
  for (let number = 0; number < 5000; number++) {
    assert.equal(await client.text(), String(number));
  }
});

both('what was published before a subscription does not come', async (t) => {
  const { app, sockets, clients } = await crowd(t, 2);
  sockets[0].subscribe('a');
  app.publish('a', 'before');
  sockets[1].subscribe('a');
  app.publish('a', 'after');
  assert.equal(await clients[1].text(), 'after');
  assert.equal(await clients[0].text(), 'before');
  assert.equal(await clients[0].text(), 'after');
});

both('who has unsubscribed gets what was published before', async (t) => {
  const { app, sockets: [ws], clients: [client] } = await crowd(t, 1);
  ws.subscribe('a');
  app.publish('a', 'before');
  ws.unsubscribe('a');
  app.publish('a', 'after');
  ws.send('end');
  assert.equal(await client.text(), 'before');
  assert.equal(await client.text(), 'end');
});

both('subscription tells of every change', async (t) => {
  const { events, sockets, clients } = await crowd(t, 2);
  sockets[0].subscribe('a');
  sockets[1].subscribe('a');
  sockets[0].unsubscribe('a');
  sockets[1].subscribe('b');
  await until(() => events.length === 4);
  assert.deepEqual(events, [['a', 1, 0], ['a', 2, 1], ['a', 1, 2], ['b', 1, 0]]);
  events.length = 0;
  clients[1].socket.close();
  await until(() => events.length === 2);
  assert.deepEqual(events.sort(), [['a', 0, 1], ['b', 0, 1]]);
});

own('subscription comes after the callback that caused it', async (t) => {
  const order = [];
  const { clients: [client] } = await crowd(t, 1, {
    message: (ws) => {
      setImmediate(() => order.push('next turn'));
      ws.subscribe('a');
      order.push(['subscribed', ws.isSubscribed('a')]);
    },
    subscription: (ws, topic) => order.push(Buffer.from(topic).toString()),
  });
  client.send('x');
  await until(() => order.includes('next turn'));
  assert.deepEqual(order, [['subscribed', true], 'a', 'next turn']);
});

own('the topic of a subscription is kept, and is an ArrayBuffer of its own', async (t) => {
  const topics = [];
  const { sockets: [ws], clients: [client] } = await crowd(t, 1, {
    subscription: (_, topic) => topics.push(topic),
    message: (ws, message) => ws.send(message),
  });
  ws.subscribe('first');
  ws.subscribe('second');
  client.send('x');
  await client.text();
  assert.deepEqual(topics.map((topic) => Buffer.from(topic).toString()), ['first', 'second']);
});

both('who has left is no subscriber', async (t) => {
  const { app, sockets, clients } = await crowd(t, 2);
  sockets.forEach((ws) => ws.subscribe('a'));
  clients[0].socket.terminate();
  await until(() => app.numSubscribers('a') === 1);
  app.publish('a', 'x');
  assert.equal(await clients[1].text(), 'x');
});

both('subscribing and publishing in open', async (t) => {
  const { app, clients } = await crowd(t, 2, {
    open: (ws) => {
      ws.subscribe('all');
      ws.publish('all', 'joined');
    },
  });
  assert.equal(await clients[0].text(), 'joined');
  app.publish('all', 'end');
  assert.equal(await clients[0].text(), 'end');
  assert.equal(await clients[1].text(), 'end');
});

both('topics are of one app', async (t) => {
  const first = await crowd(t, 1);
  const second = await crowd(t, 1);
  first.sockets[0].subscribe('a');
  assert.equal(second.app.numSubscribers('a'), 0);
  assert.equal(second.app.publish('a', 'x'), false);
});

both('topics of two kinds of WebSocket of an app are the same', async (t) => {
  const { app, port, sockets, clients } = await crowd(t, 1);
  app.ws('/other', { open: (ws) => ws.subscribe('a') && ws.send('ready') });
  sockets[0].subscribe('a');
  const other = await open(t, port, '/other');
  await other.text();
  assert.equal(app.numSubscribers('a'), 2);
  app.publish('a', 'both');
  assert.equal(await clients[0].text(), 'both');
  assert.equal(await other.text(), 'both');
});

both('topics that other libraries use', async (t) => {
  const { app, sockets: [ws], clients: [client] } = await crowd(t, 1);
  for (const topic of ['/#\u001froom\u001f', 'a'.repeat(500), 'with space', '#', '+/x']) {
    assert.equal(ws.subscribe(topic), true);
    assert.equal(app.publish(topic, topic), true);
    assert.equal(await client.text(), topic);
  }
});

both('a slow subscriber loses what it has no room for, and no other does', async (t) => {
  const { app, sockets, clients } = await crowd(t, 2, { maxBackpressure: 65536 });
  sockets.forEach((ws) => ws.subscribe('a'));
  clients[0].socket._socket.pause();
  const message = 'x'.repeat(60_000);
  for (let count = 0; count < 200; count++) {
    app.publish('a', message);
    assert.equal((await clients[1].text()).length, message.length);
  }
  assert.ok(sockets[0].getBufferedAmount() <= 65536 + message.length + 100);
  clients[0].socket._socket.resume();
  await until(() => sockets[0].getBufferedAmount() === 0);
  app.publish('a', 'end');
  let count = 0;
  while ((await clients[0].text()) !== 'end') {
    count += 1;
  }
  assert.ok(count > 0 && count < 200);
});
