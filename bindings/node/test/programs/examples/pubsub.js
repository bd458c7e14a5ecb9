'use strict';

// Topics: sensors publish, whoever subscribed hears of it, and `subscription` tells how many do.

const uws = require('uWebSockets.js');

const app = uws
  .App()
  .ws('/*', {
    open: (ws) => ws.subscribe('home/sensors/temperature'),
    message: (ws, message) => {
      const { action, topic, text } = JSON.parse(Buffer.from(message).toString());
      const answer = (value) => ws.send(JSON.stringify({ action, topic, value }));
      switch (action) {
        case 'subscribe':
          return answer(ws.subscribe(topic));
        case 'unsubscribe':
          return answer(ws.unsubscribe(topic));
        case 'publish':
          return answer(ws.publish(topic, text));
        case 'announce':
          return answer(app.publish(topic, text));
        case 'count':
          return answer(app.numSubscribers(topic));
        case 'subscribed':
          return answer(ws.isSubscribed(topic));
        case 'topics':
          return answer(ws.getTopics().sort());
        default:
          return ws.end(4000, 'Unknown action');
      }
    },
    subscription: (ws, topic, newCount, oldCount) => {
      console.log(`${Buffer.from(topic)}: ${oldCount} -> ${newCount}`);
    },
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
