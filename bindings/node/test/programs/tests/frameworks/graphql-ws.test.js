'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { GraphQLObjectType, GraphQLSchema, GraphQLString, GraphQLInt } = require('graphql');
const { createClient } = require('graphql-ws');
const { makeBehavior } = require('graphql-ws/use/uWebSockets');
const uws = require('uWebSockets.js');
const WebSocket = require('ws');
const { listen } = require('../../support/socket-io');
const websocket = require('../../support/websocket');

function schema(ended) {
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: { hello: { type: GraphQLString, resolve: () => 'world é' } },
  });
  async function* count(source, { to }) {
    try {
      for (let value = 1; value <= to; value += 1) {
        yield { count: value };
      }
    } finally {
      ended();
    }
  }
  const subscription = new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: { type: GraphQLInt, args: { to: { type: GraphQLInt } }, subscribe: count },
    },
  });
  return new GraphQLSchema({ query, subscription });
}

async function serve(t, { ended = () => {}, ...options } = {}) {
  const app = uws.App();
  app.ws('/graphql', makeBehavior({ schema: schema(ended), ...options }));
  const port = await listen(app);
  t.after(() => app.close());
  return port;
}

function connect(t, port, connectionParams) {
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams,
  });
  t.after(() => client.dispose());
  return client;
}

async function results(client, query) {
  const values = [];
  for await (const result of client.iterate({ query })) {
    values.push(result);
  }
  return values;
}

test('graphql-ws: queries and subscriptions', async (t) => {
  const port = await serve(t);
  const client = connect(t, port);
  assert.deepEqual(await results(client, '{ hello }'), [{ data: { hello: 'world é' } }]);
  const values = await results(client, 'subscription { count(to: 100) }');
  const expected = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.deepEqual(values.map(({ data }) => data.count), expected);
  const [{ errors }] = await results(client, '{ nothing }').catch((error) => [{ errors: error }]);
  assert.match(JSON.stringify(errors), /Cannot query field/);
});

test('graphql-ws: who leaves ends its subscription', async (t) => {
  let ended;
  const isEnded = new Promise((resolve) => (ended = resolve));
  const port = await serve(t, { ended });
  const client = connect(t, port);
  for await (const { data } of client.iterate({ query: 'subscription { count(to: 1000000) }' })) {
    if (data.count === 10) {
      break;
    }
  }
  await isEnded;
});

test('graphql-ws: refusals and broken messages, by their close codes', async (t) => {
  const port = await serve(t, {
    connectionInitWaitTimeout: 100,
    onConnect: async ({ connectionParams }) => connectionParams?.token === 'right',
  });
  const good = connect(t, port, { token: 'right' });
  assert.equal((await results(good, '{ hello }')).length, 1);
  const bad = connect(t, port, { token: 'wrong' });
  await assert.rejects(results(bad, '{ hello }'), { code: 4403, reason: 'Forbidden' });

  const protocols = ['graphql-transport-ws'];
  const silent = await websocket.open(t, port, '/graphql', { protocols });
  assert.equal(silent.socket.protocol, 'graphql-transport-ws');
  const timeout = { code: 4408, reason: 'Connection initialisation timeout' };
  assert.deepEqual(await silent.closed, timeout);
  const broken = await websocket.open(t, port, '/graphql', { protocols });
  broken.send('not JSON');
  assert.equal((await broken.closed).code, 4400);
  const other = websocket.create(t, port, '/graphql', { protocols: ['something-else'] });
  await other.closed;
});
