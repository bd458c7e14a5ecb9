// A program for uWebSockets.js: WebSockets in all their forms.

import {
  App,
  DEDICATED_COMPRESSOR_3KB,
  DEDICATED_DECOMPRESSOR,
  DISABLED,
  SHARED_COMPRESSOR,
  SSLApp,
} from 'uWebSockets.js';
import type {
  AppOptions,
  CompressOptions,
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  WebSocket,
  WebSocketBehavior,
  us_socket_context_t,
} from 'uWebSockets.js';

interface User {
  name: string;
  rooms: string[];
}

const compression: CompressOptions = SHARED_COMPRESSOR | DEDICATED_DECOMPRESSOR;
const sockets = new Map<string, WebSocket<User>>();

async function authenticate(header: string): Promise<User | undefined> {
  return header === '' ? undefined : { name: header, rooms: [] };
}

const behavior: WebSocketBehavior<User> = {
  compression,
  maxPayloadLength: 16 * 1024,
  maxBackpressure: 64 * 1024,
  closeOnBackpressureLimit: true,
  idleTimeout: 32,
  maxLifetime: 60,
  sendPingsAutomatically: true,
  upgrade: async (res: HttpResponse, req: HttpRequest, context: us_socket_context_t) => {
    const key = req.getHeader('sec-websocket-key');
    const protocol = req.getHeader('sec-websocket-protocol');
    const extensions = req.getHeader('sec-websocket-extensions');
    const upgradeAborted = { aborted: false };
    res.onAborted(() => {
      upgradeAborted.aborted = true;
    });
    const user = await authenticate(req.getHeader('authorization'));
    if (upgradeAborted.aborted) {
      return;
    }
    res.cork(() => {
      if (user === undefined) {
        res.writeStatus('401 Unauthorized').end();
        return;
      }
      res.upgrade<User>(user, key, protocol, extensions, context);
    });
  },
  open: (ws) => {
    const { name, rooms } = ws.getUserData();
    sockets.set(name, ws);
    for (const room of rooms) {
      ws.subscribe(room);
    }
  },
  message: async (ws, message: ArrayBuffer, isBinary: boolean) => {
    const status: number = ws.send(message, isBinary, true);
    if (status === 2) {
      ws.close();
    } else if (status === 0) {
      console.log(ws.getBufferedAmount());
    }
    ws.sendFirstFragment('a', false);
    ws.sendFragment('b');
    ws.sendLastFragment('c', true);
    ws.ping();
    ws.ping('beat');
  },
  dropped: (ws, message, isBinary) => console.log(ws.getRemotePort(), message.byteLength, isBinary),
  drain: (ws) => {
    while (ws.getBufferedAmount() < 1024) {
      ws.cork(() => {
        ws.send('more');
      });
    }
  },
  close: (ws, code: number, message: ArrayBuffer) => {
    sockets.delete(ws.getUserData().name);
    console.log(code, Buffer.from(message).toString());
  },
  ping: (ws, message) => console.log(message.byteLength),
  pong: (ws, message) => console.log(message.byteLength),
  subscription: (ws, topic: ArrayBuffer, newCount: number, oldCount: number) => {
    console.log(Buffer.from(topic).toString(), newCount - oldCount);
  },
};

function start(options: AppOptions, isSecure: boolean): TemplatedApp {
  return (isSecure ? SSLApp(options) : App(options))
    .ws<User>('/chat/:room', behavior)
    .ws('/plain', {
      compression: DISABLED,
      open: (ws: WebSocket<unknown>) => ws.end(1000, 'bye'),
    })
    .ws<Record<string, never>>('/echo', {
      idleTimeout: undefined,
      compression: DEDICATED_COMPRESSOR_3KB,
      message: (ws, message, isBinary) => {
        ws.publish('everybody', message, isBinary);
      },
    });
}

const app = start({}, false);
const wasPublished: boolean = app.publish('everybody', 'hello', false, true);
const subscribers: number = app.numSubscribers('everybody');
for (const ws of sockets.values()) {
  const topics: string[] = ws.getTopics();
  const states: boolean[] = [ws.isSubscribed('a'), ws.unsubscribe('a'), ws.subscribe('b')];
  const addresses: ArrayBuffer[] = [ws.getRemoteAddress(), ws.getRemoteAddressAsText()];
  console.log(topics, states, addresses, wasPublished, subscribers);
}
app.addServerName('*.example.com', { key_file_name: 'key.pem' });
app.missingServerName((hostname: string) => app.addServerName(hostname, {}));
app.removeServerName('*.example.com').domain('example.com');
