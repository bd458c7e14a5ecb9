// What must not compile. Each line marked so is an error, or else the mark itself is one.

import keirin = require('keirin');
import { App } from 'keirin';

interface User {
  name: string;
}

const app = App();

// @ts-expect-error options are an object
App('options');
// @ts-expect-error there is no such option
App({ headTimeout: 1 });
// @ts-expect-error a limit is a number
App({ bodyBytesMax: '1 MB' });
// @ts-expect-error strict is a boolean
App({ strict: 1 });
// @ts-expect-error a route needs a handler
app.get('/');
// @ts-expect-error a handler is a function
app.get('/', 'text');
// @ts-expect-error a pattern is text or bytes
app.get(/pattern/, () => {});
// @ts-expect-error the method is called del
app.delete('/', () => {});
// @ts-expect-error a port is a number
app.listen('3000', () => {});
// @ts-expect-error there has to be a callback
app.listen(3000);
// @ts-expect-error the callback comes first
app.listen_unix('/tmp/socket', () => {});
// @ts-expect-error a message is text or bytes
app.publish('topic', { text: 'hello' });
// @ts-expect-error a topic and a message
app.publish('topic');
// @ts-expect-error grace has a name
void app.stop(1000);
// @ts-expect-error an app is not closed with a code
app.close(1001);

app.get('/', (res, req) => {
  // @ts-expect-error a number is no content
  res.end(17);
  // @ts-expect-error nor is null
  res.write(null);
  // @ts-expect-error a header's value is text
  res.writeHeader('Content-Length', 17);
  // @ts-expect-error a status is text, with its reason
  res.writeStatus(200);
  // @ts-expect-error the whole size has to be known
  res.tryEnd('piece');
  // @ts-expect-error whether it goes on has to be said
  res.onWritable(() => {});
  // @ts-expect-error the length first
  res.collectBody((body) => body);
  // @ts-expect-error a body may be null
  res.collectBody(10, (body: ArrayBuffer) => body.byteLength);
  // @ts-expect-error the rest is a bigint
  res.onDataV2((chunk, rest: number) => rest);
  // @ts-expect-error five arguments
  res.upgrade({}, 'key');
  // @ts-expect-error there may be no such parameter
  const parameter: string = req.getParameter(0);
  // @ts-expect-error there may be no such key
  const value: string = req.getQuery('key');
  // @ts-expect-error headers are asked for by name
  req.headers.host;
  return [parameter, value];
});

app.ws<User>('/', {
  // @ts-expect-error a number of seconds
  idleTimeout: '10 s',
  // @ts-expect-error a message is an ArrayBuffer
  message: (ws, message: string) => message,
  open: (ws) => {
    // @ts-expect-error the user has no such property
    ws.getUserData().email;
    // @ts-expect-error an object is no message
    ws.send({});
    // @ts-expect-error a code is a number
    ws.end('bye');
    // @ts-expect-error there is no such method
    ws.terminate();
  },
});
// @ts-expect-error there is no such option
app.ws('/', { maxPayload: 1024 });

// @ts-expect-error constants are constant
keirin.DISABLED = 1;
// @ts-expect-error a program ends in bytes, which have no methods of a builder
new keirin.DeclarativeResponse().end('x').write('y');
// @ts-expect-error both are needed
keirin.getParts('body');
// @ts-expect-error parts may be missing
keirin.getParts('body', 'type').length;
// @ts-expect-error not everything has a name
keirin.nothing;

app.onError((error, source) => {
  // @ts-expect-error it may be a WebSocket
  const res: keirin.HttpResponse = source;
  // @ts-expect-error anything can be thrown
  error.message;
  return res;
});
app.onLog((record) => {
  // @ts-expect-error there is no such level
  return record.level === 'debug';
});
