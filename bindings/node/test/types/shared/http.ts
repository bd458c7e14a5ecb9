// A program for uWebSockets.js: HTTP in all its forms.

import { createReadStream, statSync } from 'node:fs';
import * as uWS from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, RecognizedString, TemplatedApp } from 'uWebSockets.js';

interface Session {
  user: string;
}

let listenSocket: uWS.us_listen_socket | undefined;
const recognized: RecognizedString[] = [
  'text',
  Buffer.from('bytes'),
  new ArrayBuffer(1),
  new SharedArrayBuffer(1),
  new DataView(new ArrayBuffer(1)),
  new Float64Array(1),
];

function readJson<T>(res: HttpResponse, callback: (value: T) => void, failed: () => void): void {
  let buffer: Buffer | undefined;
  res.onData((chunk: ArrayBuffer, isLast: boolean) => {
    const bytes = Buffer.from(chunk);
    if (!isLast) {
      buffer = Buffer.concat(buffer === undefined ? [bytes] : [buffer, bytes]);
      return;
    }
    callback(JSON.parse(Buffer.concat([buffer ?? Buffer.alloc(0), bytes]).toString()) as T);
  });
  res.onAborted(failed);
}

function sendFile(res: HttpResponse, path: string): void {
  const { size } = statSync(path);
  const stream = createReadStream(path);
  res.onAborted(() => {
    res.aborted = true;
    stream.destroy();
  });
  stream.on('data', (chunk) => {
    const bytes = chunk as Buffer;
    const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const offset: number = res.getWriteOffset();
    const [ok, done] = res.tryEnd(content, size);
    if (done) {
      stream.destroy();
    } else if (!ok) {
      stream.pause();
      res.ab = content;
      res.abOffset = offset;
      res.onWritable((position: number): boolean => {
        const [again, finished] = res.tryEnd(res.ab.slice(position - res.abOffset), size);
        if (!finished && again) {
          stream.resume();
        }
        return again;
      });
    }
  });
}

const app: TemplatedApp = uWS
  .App({ key_file_name: 'key.pem', cert_file_name: 'cert.pem', passphrase: '1234' })
  .get('/', (res: HttpResponse, req: HttpRequest) => {
    res.writeStatus('200 OK').writeHeader('Content-Type', 'text/plain').end(req.getUrl());
  })
  .get('/users/:id/*', (res, req) => {
    const id: string | undefined = req.getParameter(0);
    const name: string | undefined = req.getParameter('id');
    const query: string = req.getQuery();
    const value: string | undefined = req.getQuery('page');
    req.forEach((key: string, header: string) => {
      res.writeHeader(key, header);
    });
    res.end([id, name, query, value, req.getHeader('host'), req.getCaseSensitiveMethod()].join());
  })
  .post('/json', (res) => {
    readJson<Session>(
      res,
      ({ user }) => {
        res.cork(() => {
          res.end(`Hello ${user}`, true);
        });
      },
      () => console.log('left'),
    );
  })
  .post('/later', async (res, req) => {
    const method = req.getMethod();
    res.onAborted(() => {
      res.aborted = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (!res.aborted) {
      res.cork(() => res.end(method));
    }
  })
  .put('/collect', (res) => {
    res.collectBody(1024, (body: ArrayBuffer | null) => {
      const parts = body && uWS.getParts(body, 'multipart/form-data; boundary=x');
      const names: string[] = (parts || []).map((part) => part.filename ?? part.name);
      res.end(names.join());
    });
  })
  .patch('/v2', (res) => {
    res.onDataV2((chunk: ArrayBuffer, maxRemaining: bigint) => {
      if (maxRemaining === BigInt(0)) {
        res.endWithoutBody(chunk.byteLength, false);
      }
    });
    res.pause();
    res.resume();
  })
  .del('/file', (res) => sendFile(res, '/etc/hosts'))
  .options('/*', (res, req) => {
    req.setYield(true);
  })
  .head('/*', (res) => {
    res.endWithoutBody(17);
  })
  .trace('/*', (res) => {
    res.close();
  })
  .connect('/*', (res) => {
    const flowing: boolean = res.write('piece');
    res.end(flowing ? undefined : 'slow');
  })
  .any('/*', (res) => {
    const addresses: ArrayBuffer[] = [
      res.getRemoteAddress(),
      res.getRemoteAddressAsText(),
      res.getProxiedRemoteAddress(),
      res.getProxiedRemoteAddressAsText(),
    ];
    const ports: number[] = [res.getRemotePort(), res.getProxiedRemotePort()];
    res.end(`${addresses.map((address) => address.byteLength)} ${ports}`);
  })
  .filter((res, count) => {
    const sum: number = Number(count) + 1;
    res.started = Date.now() + sum;
  })
  .listen(3000, (token) => {
    if (token) {
      listenSocket = token;
      console.log(uWS.us_socket_local_port(token));
    }
  })
  .listen('127.0.0.1', 3001, (token: uWS.us_listen_socket | false) => console.log(token))
  .listen(3002, uWS.ListenOptions.LIBUS_LISTEN_EXCLUSIVE_PORT, () => {})
  .listen('::1', 3003, uWS.ListenOptions.LIBUS_LISTEN_DEFAULT, async () => {})
  .listen(3004, (token) => console.log(uWS.us_socket_local_port(token)))
  .listen_unix((token: uWS.us_listen_socket) => console.log(token), '/tmp/socket');

for (const value of recognized) {
  app.get(value, (res) => {
    res.write(value);
    res.end(value);
  });
}

if (listenSocket) {
  uWS.us_listen_socket_close(listenSocket);
}
app.close();
export default app;
