'use strict';

// Small files from memory: read once, with a type, a tag and, for who asks, their head alone.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const uws = require('uWebSockets.js');

const TYPES = {
  '.bin': 'application/octet-stream',
  '.html': 'text/html',
  '.js': 'text/javascript',
};
const folder = process.argv[3];

const files = new Map(
  fs.readdirSync(folder).map((name) => {
    const data = fs.readFileSync(path.join(folder, name));
    const tag = `"${createHash('sha1').update(data).digest('hex').slice(0, 16)}"`;
    return [`/${name}`, { data, tag, type: TYPES[path.extname(name)] }];
  }),
);

const serve = (isHead) => (res, req) => {
  const file = files.get(decodeURIComponent(req.getUrl()));
  if (file === undefined) {
    res.writeStatus('404 Not Found').endWithoutBody(0);
    return;
  }
  if (req.getHeader('if-none-match') === file.tag) {
    res.writeStatus('304 Not Modified').writeHeader('ETag', file.tag).endWithoutBody();
    return;
  }
  res.writeHeader('Content-Type', file.type).writeHeader('ETag', file.tag);
  if (isHead) {
    res.endWithoutBody(file.data.byteLength);
  } else {
    res.end(file.data);
  }
};

uws
  .App()
  .get('/*', serve(false))
  .head('/*', serve(true))
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
