// What keirin has beyond uWebSockets.js.

import {
  App,
  DeclarativeResponse,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  getInteger,
  getIntegerKeys,
  getString,
  getStringKeys,
  incInteger,
  lock,
  setInteger,
  setString,
  unlock,
} from 'keirin';
import type { HttpResponse, LogRecord } from 'keirin';

const program: ArrayBuffer = new DeclarativeResponse()
  .writeStatus('200 OK')
  .writeHeader('X-Powered-By', 'keirin')
  .writeQueryValue('name')
  .writeHeaderValue('host')
  .writeParameterValue('id')
  .write(Buffer.from(' and '))
  .end('done');

const app = App({ strict: true, bodyBytesMax: 1 << 20, headTimeoutMs: 5_000, stopCloseCode: 1012 })
  .get('/program/:id', program)
  .get('/program/:id', null)
  .get('/short', (res) => res.end('an answer may be returned'))
  .post('/upload', async (res, req) => {
    const type: string = await Promise.resolve(req.getHeader('content-type'));
    res.collectBody(1024, (body) => {
      const ended: boolean = res.ended || res.aborted;
      res.end(ended || body === null ? undefined : `${type} ${body.byteLength}`);
    });
  })
  .any('/*', (res) => res.pause().resume().end())
  .onError((error, source, req) => {
    if ('send' in source) {
      source.send(String(error));
    } else {
      const res: HttpResponse = source;
      res.writeStatus('503 Service Unavailable').end(req?.getUrl());
    }
  })
  .onLog((record: LogRecord) => {
    const level: 'access' | 'info' | 'warn' | 'error' = record.level;
    console.log(level, record.message, record.peer ?? 'nobody');
  })
  .listen(0, LIBUS_LISTEN_EXCLUSIVE_PORT, () => {})
  .listen_unix((token) => console.log(token === false), '/tmp/socket');

async function stop(): Promise<void> {
  const counted: number[] = Object.values(app.counters());
  await app.stop();
  await app.stop({ grace: counted.length });
}

lock();
setString('key', 'value', 'collection');
setInteger('key', getInteger('key', 'collection') + 1, 'collection');
const sum: number = incInteger('key', 1, 'collection');
const keys: string[] = [...getStringKeys('collection'), ...getIntegerKeys('collection')];
console.log(sum, keys, getString('key', 'collection'));
unlock();

export { stop };
